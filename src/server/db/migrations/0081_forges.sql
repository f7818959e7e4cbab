-- Connections of organizations to forges, the repositories of projects there, and pull requests of tasks.

create table forges (
  id uuid primary key,
  org_id uuid not null references organizations on delete cascade,
  kind text not null check (kind in ('github', 'gitlab', 'gitea')),
  name text not null,
  url text not null,
  api_url text not null,
  auth text not null check (auth in ('app', 'token')),
  -- of a GitHub App
  app_id text,
  installation_id text,
  -- the login or the name of the App, as the forge says
  account text not null,
  -- the token or the private key, encrypted with the installation's secret
  sealed bytea not null,
  status text not null default 'ok' check (status in ('ok', 'unreachable', 'unauthorized', 'suspended')),
  status_reason text,
  -- until when the forge asks for no requests
  retry_at timestamptz(3),
  created_at timestamptz(3) not null default clock_timestamp(),
  updated_at timestamptz(3) not null default clock_timestamp(),
  unique (org_id, id)
);

create table project_repositories (
  project_id uuid primary key,
  org_id uuid not null references organizations on delete cascade,
  forge_id uuid not null,
  -- as in acme/shop
  name text not null,
  web_url text not null,
  linked_at timestamptz(3) not null default clock_timestamp(),
  foreign key (org_id, project_id) references projects (org_id, id) on delete cascade,
  foreign key (org_id, forge_id) references forges (org_id, id) on delete cascade
);
create index project_repositories_forge on project_repositories (forge_id);

create table pull_requests (
  id uuid primary key,
  org_id uuid not null references organizations on delete cascade,
  project_id uuid not null,
  task_id uuid not null references tasks on delete cascade,
  attempt_id uuid not null references task_attempts on delete cascade,
  -- null once the connection is deleted
  forge_id uuid,
  -- as in acme/shop
  repository text not null,
  -- the forge's number; null until it is open there
  number integer,
  url text,
  state text not null default 'opening' check (state in ('opening', 'open', 'draft', 'merged', 'closed')),
  title text not null,
  body text not null,
  draft boolean not null,
  labels text[] not null default '{}',
  reviewers text[] not null default '{}',
  base text not null,
  head text not null,
  -- the commit that is being pushed, stored before the push
  pushing_sha text,
  -- the last commit that arrived at the forge
  pushed_sha text,
  auto_update boolean not null default true,
  head_sha text,
  review_decision text check (review_decision in ('approved', 'changes_requested', 'review_required')),
  checks jsonb not null default '[]',
  mergeable boolean,
  comments integer not null default 0,
  merged_sha text,
  merged_at timestamptz(3),
  -- when its task was finished after the merge
  finished_at timestamptz(3),
  error text,
  checked_at timestamptz(3),
  created_at timestamptz(3) not null default clock_timestamp(),
  updated_at timestamptz(3) not null default clock_timestamp(),
  foreign key (org_id, project_id) references projects (org_id, id) on delete cascade,
  foreign key (forge_id) references forges on delete set null
);
create index pull_requests_of_project on pull_requests (project_id, id);
create index pull_requests_of_task on pull_requests (task_id, id);
create unique index pull_requests_open on pull_requests (task_id) where state in ('opening', 'open', 'draft');
create index pull_requests_to_watch on pull_requests (org_id, id)
  where state in ('opening', 'open', 'draft') or (state = 'merged' and finished_at is null);
create index pull_requests_forge on pull_requests (forge_id);
create index pull_requests_attempt on pull_requests (attempt_id);

do $$
declare
  tenant_table text;
begin
  foreach tenant_table in array array['forges', 'project_repositories', 'pull_requests'] loop
    execute format('alter table %I enable row level security', tenant_table);
    execute format('alter table %I force row level security', tenant_table);
    execute format(
      'create policy tenant on %I using (org_id between app_org_from() and app_org_to())',
      tenant_table);
  end loop;
end $$;

create trigger tell_change after insert or update or delete on project_repositories for each row
  execute function tell_change('org_id', 'project_id');

-- Pages that show a task hear of its pull request as of a change of the task.
create function touch_task_of_pull_request() returns trigger language plpgsql as $$
begin
  update tasks set updated_at = clock_timestamp() where id = new.task_id;
  return null;
end $$;
create trigger touch_task_inserted after insert on pull_requests for each row
  execute function touch_task_of_pull_request();
create trigger touch_task after update on pull_requests for each row
  when ((old.state, old.number, old.title, old.checks, old.review_decision, old.mergeable, old.error, old.pushed_sha)
    is distinct from
    (new.state, new.number, new.title, new.checks, new.review_decision, new.mergeable, new.error, new.pushed_sha))
  execute function touch_task_of_pull_request();
