-- A reference that a push is about to move: written before it moves, deleted when all that follows is
-- recorded. What a crash leaves is settled by whether the reference holds the new commit.
create table pending_pushes (
  id uuid primary key,
  org_id uuid not null references organizations on delete cascade,
  project_id uuid not null,
  -- whose workspace's branch it is; null for other branches and tags
  agent_id uuid,
  ref text not null,
  -- null where the reference is new
  old_sha text,
  new_sha text not null,
  -- who pushes, for the audit log
  origin jsonb not null,
  created_at timestamptz(3) not null default clock_timestamp(),
  foreign key (org_id, project_id) references projects (org_id, id) on delete cascade,
  foreign key (org_id, agent_id) references workspaces (org_id, agent_id) on delete cascade
);
create index pending_pushes_agent on pending_pushes (agent_id) where agent_id is not null;
create index pending_pushes_project on pending_pushes (project_id);

alter table pending_pushes enable row level security;
alter table pending_pushes force row level security;
create policy tenant on pending_pushes using (org_id between app_org_from() and app_org_to());

-- Open pages look at a project's branches again.
create trigger tell_change after delete on pending_pushes for each row
  execute function tell_change('org_id', 'project_id');
