-- Environments of projects: a setup script, and the layers of files that it left.
create table environments (
  project_id uuid primary key,
  org_id uuid not null references organizations on delete cascade,
  setup_script text not null,
  cache_key_files text[] not null,
  variables jsonb not null,
  -- null: runs name their own
  allowed_hosts text[],
  network text not null check (network in ('none', 'restricted')),
  updated_at timestamptz(3) not null default now(),
  foreign key (org_id, project_id) references projects (org_id, id) on delete cascade
);

-- Executions of a setup script. The newest row of a project and key counts.
create table environment_builds (
  id uuid primary key,
  org_id uuid not null references organizations on delete cascade,
  project_id uuid not null,
  -- the SHA-256 of the branch, the script, the machine and the content of the key files, in hex
  key text not null,
  branch text not null,
  commit_sha text not null,
  -- the environment at that time
  definition jsonb not null,
  status text not null check (status in ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
  -- the run of the last start, by whose id the layer is named
  run_id uuid,
  -- starts, including those of servers that died
  attempts integer not null default 0,
  detail text,
  -- null without a layer
  layer_bytes bigint,
  -- untracked paths that git does not ignore: some of them, and their number
  left_out text[] not null default '{}',
  left_out_count integer not null default 0,
  created_at timestamptz(3) not null default clock_timestamp(),
  started_at timestamptz(3),
  ended_at timestamptz(3),
  constraint environment_builds_ended check ((status in ('queued', 'running')) = (ended_at is null)),
  foreign key (org_id, project_id) references projects (org_id, id) on delete cascade
);
create unique index environment_builds_open on environment_builds (project_id, key)
  where ended_at is null;
create index environment_builds_project on environment_builds (project_id, id);
create index environment_builds_ended on environment_builds (ended_at) where layer_bytes is null;
create index environment_builds_queued on environment_builds (created_at) where ended_at is null;
create unique index environment_builds_run on environment_builds (run_id) where run_id is not null;

-- A build is a run of a project, without an agent.
alter table runs alter column agent_id drop not null;
alter table runs add column project_id uuid;
alter table runs drop constraint runs_kind_check;
alter table runs add constraint runs_kind_check
  check (kind in ('managed', 'leased', 'check', 'build'));
alter table runs add constraint runs_of check ((kind = 'build') = (agent_id is null)
  and (kind = 'build') = (project_id is not null));
create index runs_project on runs (org_id, project_id) where project_id is not null;
alter table runs add foreign key (org_id, project_id) references projects (org_id, id) on delete cascade;

-- What is below the files of a workspace: undecided (null), a layer that is being built (waiting), or the
-- layer of a build or nothing (settled).
alter table workspaces add column environment_state text
  check (environment_state in ('waiting', 'settled'));
alter table workspaces add column environment_build_id uuid;
create index workspaces_environment on workspaces (environment_build_id)
  where environment_build_id is not null;
-- The files of these are complete.
update workspaces set environment_state = 'settled';

create trigger tell_change after insert or update or delete on environments for each row
  execute function tell_change('org_id', 'project_id');
create trigger tell_change after insert or update or delete on environment_builds for each row
  execute function tell_change('org_id', 'project_id');

do $$
declare
  tenant_table text;
begin
  foreach tenant_table in array array['environments', 'environment_builds'] loop
    execute format('alter table %I enable row level security', tenant_table);
    execute format('alter table %I force row level security', tenant_table);
    execute format(
      'create policy tenant on %I using (org_id between app_org_from() and app_org_to())',
      tenant_table);
  end loop;
end $$;
