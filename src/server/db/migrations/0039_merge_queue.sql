-- Protected branches, the checks that a commit must pass before it lands on one, and the queue of
-- merges into them.

-- The rules of branches; null for the first state: an entry of the default branch without requirements.
alter table projects add column protected_branches jsonb;

create table checks (
  org_id uuid not null references organizations on delete cascade,
  project_id uuid not null,
  name text not null,
  command text[] not null,
  timeout_seconds integer not null,
  network text not null check (network in ('none', 'full')),
  log_pattern text,
  updated_at timestamptz(3) not null default now(),
  primary key (project_id, name),
  foreign key (org_id, project_id) references projects (org_id, id) on delete cascade
);

create table merge_requests (
  id uuid primary key,
  org_id uuid not null references organizations on delete cascade,
  project_id uuid not null,
  agent_id uuid not null,
  kind text not null check (kind in ('merge', 'revert', 'restore')),
  -- the undone merge; null for a merge
  of_merge uuid,
  -- strategy, resolutions, message and paths
  request jsonb not null,
  source_branch text not null,
  -- the merged commit; null for an undo
  source_commit text,
  target_branch text not null,
  status text not null
    check (status in ('queued', 'checking', 'waiting_for_approval', 'merged', 'rejected', 'cancelled')),
  -- the commit under check, or the last one
  candidate_commit text,
  -- set together with the pending merge, before the branch moves
  merge_id uuid,
  reason text,
  origin jsonb not null,
  requested_by jsonb,
  created_at timestamptz(3) not null default clock_timestamp(),
  ended_at timestamptz(3),
  constraint merge_requests_ended
    check ((status in ('merged', 'rejected', 'cancelled')) = (ended_at is not null)),
  foreign key (org_id, project_id) references projects (org_id, id) on delete cascade,
  foreign key (org_id, agent_id) references agents (org_id, id) on delete cascade
);
create unique index merge_requests_one_merge on merge_requests (agent_id, target_branch)
  where kind = 'merge' and ended_at is null;
create unique index merge_requests_one_undo on merge_requests (of_merge)
  where of_merge is not null and ended_at is null;
create index merge_requests_open on merge_requests (project_id, target_branch) where ended_at is null;
create index merge_requests_agent on merge_requests (org_id, agent_id);
create index merge_requests_ended_at on merge_requests (project_id, ended_at, id)
  where ended_at is not null;

create table merge_request_approvals (
  request_id uuid not null references merge_requests on delete cascade,
  approver_id uuid not null,
  org_id uuid not null references organizations on delete cascade,
  -- {type, id, name} at that time
  approver jsonb not null,
  approved_at timestamptz(3) not null default now(),
  primary key (request_id, approver_id)
);

-- Checks of commits. The newest row of a commit, name and definition counts.
create table commit_checks (
  id uuid primary key,
  org_id uuid not null references organizations on delete cascade,
  project_id uuid not null,
  -- the agent to whose runs it belongs: the last one whose work the commit adds
  agent_id uuid not null,
  branch text not null,
  commit_sha text not null,
  name text not null,
  -- the check at that time, and its SHA-256 in hex
  definition jsonb not null,
  definition_hash text not null,
  status text not null check (status in ('queued', 'running', 'passed', 'failed', 'cancelled')),
  run_id uuid,
  detail text,
  -- starts, including those of servers that died
  attempts integer not null default 0,
  -- the last one
  started_at timestamptz(3),
  created_at timestamptz(3) not null default clock_timestamp(),
  ended_at timestamptz(3),
  constraint commit_checks_ended check ((status in ('queued', 'running')) = (ended_at is null)),
  foreign key (org_id, project_id) references projects (org_id, id) on delete cascade,
  foreign key (org_id, agent_id) references agents (org_id, id) on delete cascade
);
create index commit_checks_commit on commit_checks (project_id, commit_sha, name);
create index commit_checks_open on commit_checks (created_at) where ended_at is null;
create index commit_checks_started on commit_checks (org_id, started_at);
create index commit_checks_ended_at on commit_checks (ended_at) where ended_at is not null;
create index commit_checks_agent on commit_checks (org_id, agent_id);
create unique index commit_checks_run on commit_checks (run_id) where run_id is not null;

-- A check is a run beside those of its agent.
alter table runs drop constraint runs_kind_check;
alter table runs add constraint runs_kind_check check (kind in ('managed', 'leased', 'check'));
drop index runs_one_per_agent;
create unique index runs_one_per_agent on runs (agent_id)
  where status = 'running' and kind <> 'check';

do $$
declare
  tenant_table text;
begin
  foreach tenant_table in array
    array['checks', 'merge_requests', 'merge_request_approvals', 'commit_checks'] loop
    execute format('alter table %I enable row level security', tenant_table);
    execute format('alter table %I force row level security', tenant_table);
    execute format(
      'create policy tenant on %I using (org_id between app_org_from() and app_org_to())',
      tenant_table);
  end loop;
end $$;

create trigger tell_change after insert or update on merge_requests for each row
  execute function tell_change('org_id', 'agent_id');
create trigger tell_change after insert or update on commit_checks for each row
  execute function tell_change('org_id', 'agent_id');
create trigger tell_change after insert or update or delete on checks for each row
  execute function tell_change('org_id', 'project_id');
