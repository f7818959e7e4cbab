-- Items of the attention list that a user has marked as done, by their keys. A row ends with the membership.
create table attention_dismissals (
  org_id uuid not null references organizations on delete cascade,
  user_id uuid not null,
  item_key text not null,
  dismissed_at timestamptz(3) not null default clock_timestamp(),
  primary key (org_id, user_id, item_key),
  foreign key (org_id, user_id) references memberships (org_id, user_id) on delete cascade
);

alter table attention_dismissals enable row level security;
alter table attention_dismissals force row level security;
create policy tenant on attention_dismissals using (org_id between app_org_from() and app_org_to());

create index agent_sessions_waiting on agent_sessions (org_id) where status = 'waiting_for_permission';
create index merge_requests_waiting on merge_requests (org_id) where status = 'waiting_for_approval';

-- Pairs of a project are joined with its scans by commit.
drop index radar_scans_project;
create index radar_scans_head on radar_scans (project_id, head_commit);
