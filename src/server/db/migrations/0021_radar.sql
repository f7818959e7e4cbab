-- What would conflict between the workspaces of a project, found before anybody merges.

-- Each workspace as it was when the radar last looked at its project: its head, its base branch's, and
-- where the two parted.
create table radar_scans (
  agent_id uuid primary key,
  org_id uuid not null references organizations on delete cascade,
  project_id uuid not null,
  head_commit text not null,
  base_branch text not null,
  -- null where the base branch is gone, or shares no history
  base_commit text,
  fork_commit text,
  scanned_at timestamptz(3) not null,
  foreign key (org_id, agent_id) references workspaces (org_id, agent_id) on delete cascade,
  foreign key (org_id, project_id) references projects (org_id, id) on delete cascade
);
create index radar_scans_project on radar_scans (project_id);

-- What a merge of two commits would conflict in, each with where its own work begins: a function of the
-- four, which holds as long as they do. Pairs whose work touches nothing in common have no row.
create table radar_pairs (
  org_id uuid not null references organizations on delete cascade,
  project_id uuid not null,
  source_commit text not null,
  source_fork text not null,
  target_commit text not null,
  target_fork text not null,
  -- the first ones
  conflicts jsonb not null,
  total_conflicts integer not null,
  computed_at timestamptz(3) not null default now(),
  primary key (project_id, source_commit, source_fork, target_commit, target_fork),
  foreign key (org_id, project_id) references projects (org_id, id) on delete cascade
);

do $$
declare
  tenant_table text;
begin
  foreach tenant_table in array array['radar_scans', 'radar_pairs'] loop
    execute format('alter table %I enable row level security', tenant_table);
    execute format('alter table %I force row level security', tenant_table);
    execute format(
      'create policy tenant on %I using (org_id between app_org_from() and app_org_to())',
      tenant_table);
  end loop;
end $$;

-- Tells the server processes, when it commits, that a branch of a project may have moved. Every commit
-- that the server takes in is received, by whatever way it comes.
create function tell_radar() returns trigger language plpgsql as $$
begin
  perform pg_notify('omoi_changes', format('radar_due %s %s', new.org_id, new.project_id));
  return null;
end $$;
create trigger tell_radar after insert on received_commits for each row
  execute function tell_radar();
create trigger tell_radar after update on workspaces for each row
  when ((old.head_commit, old.base_branch, old.status) is distinct from
    (new.head_commit, new.base_branch, new.status))
  execute function tell_radar();

-- The commits of a project's graph are looked up by their ids.
create index workspace_commits_sha on workspace_commits (commit_sha);
create index merges_commit on merges (merge_commit);
