-- Unsaved work is committed every few minutes, where auto_checkpoint is on; null switches that off.
alter table workspaces add column checkpoint_interval_minutes integer default 10
  check (checkpoint_interval_minutes between 1 and 1440);

-- When a server process last took up a workspace's checkpoint, and why the last one failed. Apart from
-- the workspaces, since looking at one is no change of it.
create table checkpoint_looks (
  agent_id uuid primary key,
  org_id uuid not null references organizations on delete cascade,
  looked_at timestamptz(3) not null,
  failed_at timestamptz(3),
  error_code text,
  error text,
  constraint checkpoint_looks_error check
    ((failed_at is null) = (error is null) and (failed_at is null) = (error_code is null)),
  foreign key (org_id, agent_id) references workspaces (org_id, agent_id) on delete cascade
);

alter table checkpoint_looks enable row level security;
alter table checkpoint_looks force row level security;
create policy tenant on checkpoint_looks using (org_id between app_org_from() and app_org_to());

-- A page shows the error; that a workspace was looked at shows nowhere.
create trigger tell_change after update on checkpoint_looks for each row
  when (old.error is distinct from new.error) execute function tell_change('org_id', 'agent_id');
create trigger tell_start after insert on checkpoint_looks for each row
  when (new.error is not null) execute function tell_change('org_id', 'agent_id');
