-- Machines that take runs of workspaces without a folder on a server.
create table runners (
  id uuid primary key,
  name text not null,
  -- the organization whose runs it takes; null: those of all
  org_id uuid references organizations on delete cascade,
  token_hash bytea not null constraint runners_token_key unique,
  -- as it reported itself; null and empty before its first connection
  labels text[] not null default '{}',
  networks text[] not null default '{}',
  slots integer not null default 0,
  version text,
  host text,
  last_seen_at timestamptz(3),
  paused boolean not null default false,
  -- While it waits for a run, no later run of a queue starts before one that it can take.
  waiting_until timestamptz(3),
  created_by uuid references users on delete set null,
  created_at timestamptz(3) not null default clock_timestamp()
);
create unique index runners_name_key on runners (lower(name));
create index runners_org on runners (org_id);
create index runners_created_by on runners (created_by);
alter table runners enable row level security;
alter table runners force row level security;
-- Members see which machines take the runs of their organization.
create policy readable on runners for select
  using (org_id is null or org_id between app_org_from() and app_org_to());
create policy system_only on runners using (app_is_system());

-- The labels that a runner needs for a run; null for a run on the home of its project.
alter table runs add column runner_labels text[];
alter table runs add column runner_id uuid references runners on delete set null;
-- A runner that takes a run has until then to start it.
alter table runs add column offered_until timestamptz(3);
-- The number of the last report of its connections that was counted.
alter table runs add column egress_batch bigint not null default 0;
create index runs_of_runner on runs (runner_id) where runner_id is not null;
create index runs_for_runners on runs (org_id, id) where status = 'queued' and runner_labels is not null;
