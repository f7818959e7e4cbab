-- Merges of a workspace's branch that are asked for and not over: queued, or being made. The process that
-- makes one says every few seconds that it goes on; what a dead one left lapses by itself.
create table merges_under_way (
  id uuid primary key,
  org_id uuid not null references organizations on delete cascade,
  agent_id uuid not null,
  until timestamptz(3) not null,
  foreign key (org_id, agent_id) references workspaces (org_id, agent_id) on delete cascade
);
create index merges_under_way_agent on merges_under_way (agent_id);

alter table merges_under_way enable row level security;
alter table merges_under_way force row level security;
create policy tenant on merges_under_way using (org_id between app_org_from() and app_org_to());

create trigger tell_change after insert or delete on merges_under_way for each row
  execute function tell_change('org_id', 'agent_id');
