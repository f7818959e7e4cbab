-- People who work on tasks beside their agents. A member who leaves is assigned no longer.

create table task_assignees (
  task_id uuid not null references tasks on delete cascade,
  user_id uuid not null,
  org_id uuid not null references organizations on delete cascade,
  primary key (task_id, user_id),
  foreign key (org_id, user_id) references memberships (org_id, user_id) on delete cascade
);
create index task_assignees_user on task_assignees (org_id, user_id);

alter table task_assignees enable row level security;
alter table task_assignees force row level security;
create policy tenant on task_assignees using (org_id between app_org_from() and app_org_to());

-- What was finished today.
create index tasks_finished on tasks (org_id, finished_at) where finished_at is not null;
