-- How things end: workspaces are archived and restored, agents terminated, projects deleted. Runs, agents
-- and projects keep their rows, since past statements are counted from them.

-- A workspace that was archived: a hidden reference keeps its newest commit, so that its branch's name is
-- free. Deleted when it is restored, or when its time is over and a branch holds the commit.
create table archives (
  id uuid primary key,
  org_id uuid not null references organizations on delete cascade,
  project_id uuid not null,
  agent_id uuid not null,
  tip text not null,
  archived_at timestamptz(3) not null default now(),
  foreign key (org_id, project_id) references projects (org_id, id) on delete cascade,
  foreign key (org_id, agent_id) references workspaces (org_id, agent_id) on delete cascade
);
create index archives_agent on archives (agent_id);
create index archives_project on archives (project_id);

alter table archives enable row level security;
alter table archives force row level security;
create policy tenant on archives using (org_id between app_org_from() and app_org_to());

-- 'archiving' and 'restoring' are acts under way, which a restart finishes; 'expired' is one whose
-- archive is gone.
alter table workspaces drop constraint workspaces_status_check;
alter table workspaces add constraint workspaces_status_check check (status in
  ('creating', 'active', 'merging', 'archiving', 'archived', 'restoring', 'expired', 'failed'));
-- the archive to restore: earlier ones, of workspaces that were begun anew, are only kept
alter table workspaces add column archive_id uuid references archives on delete set null;
alter table workspaces drop constraint workspaces_branch_key;
create unique index workspaces_branch_key on workspaces (project_id, branch_name)
  where status not in ('archived', 'expired');

-- A terminated agent's name is given away when its folder is gone.
alter table agents add column name_released boolean not null default false;
alter table agents drop constraint agents_org_name_key;
create unique index agents_org_name_key on agents (org_id, name) where not name_released;

alter table projects add column deleted_at timestamptz(3);
-- when its folders and its repository were gone from the disk
alter table projects add column removed_at timestamptz(3);
alter table projects drop constraint projects_org_slug_key;
create unique index projects_org_slug_key on projects (org_id, slug) where deleted_at is null;
create index projects_to_remove on projects (id) where deleted_at is not null and removed_at is null;
