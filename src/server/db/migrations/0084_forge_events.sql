-- Events of forges: deliveries, what was seen last of issues and pull requests, and the comments that the server keeps there.

alter table forges
  add column delivery text not null default 'polling' check (delivery in ('webhook', 'polling')),
  -- verifies events; encrypted with the installation's secret
  add column sealed_webhook_secret bytea,
  -- the name of the App that mentions have; null for tokens, whose account it is, and while it is unknown
  add column bot_name text,
  add column last_event_at timestamptz(3);

alter table project_repositories
  -- the forge's id of the registered hook; null without one
  add column hook_id text,
  -- why no hook could be registered
  add column hook_error text,
  -- until when issues were read
  add column issues_until timestamptz(3),
  -- the highest number of an issue that was there when the project was linked; null until that was read
  add column first_issues integer,
  -- when it is read next, and when a change was found last
  add column poll_at timestamptz(3),
  add column active_at timestamptz(3);
create index project_repositories_poll on project_repositories (poll_at);

create table forge_deliveries (
  id uuid primary key,
  org_id uuid not null references organizations on delete cascade,
  forge_id uuid not null,
  -- null if no project is linked to the repository
  project_id uuid,
  -- the forge's id, or one made from what polling found
  delivery_id text not null,
  source text not null check (source in ('webhook', 'polling')),
  event text not null,
  repository text,
  -- what has to be read again
  subject jsonb,
  number integer,
  login text,
  is_bot boolean not null default false,
  status text not null check (status in ('pending', 'done', 'ignored', 'failed')),
  decision text not null default 'waiting'
    check (decision in ('waiting', 'started', 'prompted', 'answered', 'recorded', 'queued', 'ignored', 'failed')),
  reason text,
  task_id uuid references tasks on delete set null,
  attempts integer not null default 0,
  next_attempt_at timestamptz(3) not null default clock_timestamp(),
  received_at timestamptz(3) not null default clock_timestamp(),
  finished_at timestamptz(3),
  foreign key (org_id, forge_id) references forges (org_id, id) on delete cascade,
  foreign key (org_id, project_id) references projects (org_id, id) on delete cascade
);
create unique index forge_deliveries_once on forge_deliveries (forge_id, delivery_id, project_id) nulls not distinct;
create index forge_deliveries_newest on forge_deliveries (forge_id, id desc);
create index forge_deliveries_pending on forge_deliveries (org_id, next_attempt_at) where status = 'pending';
create index forge_deliveries_subject on forge_deliveries (project_id, id) where status = 'pending';
create index forge_deliveries_task on forge_deliveries (task_id) where task_id is not null;
create index forge_deliveries_old on forge_deliveries (received_at);

-- What was seen last of an issue or a pull request of a project's repository.
create table forge_seen (
  project_id uuid not null,
  kind text not null check (kind in ('issue', 'pull_request')),
  number integer not null,
  org_id uuid not null references organizations on delete cascade,
  state jsonb not null,
  -- logins that were answered how to link an account
  answered text[] not null default '{}',
  -- automatic events after each other, without a person in between
  chain integer not null default 0,
  seen_at timestamptz(3) not null default clock_timestamp(),
  primary key (project_id, kind, number),
  foreign key (org_id, project_id) references projects (org_id, id) on delete cascade
);

-- The comment that the server keeps on an issue for a task.
create table task_issues (
  task_id uuid primary key references tasks on delete cascade,
  org_id uuid not null references organizations on delete cascade,
  project_id uuid not null,
  forge_id uuid,
  repository text not null,
  number integer not null,
  url text not null,
  -- the forge's id of the comment; null until it is there
  comment_id text,
  -- what the comment shows
  shown text,
  retry_at timestamptz(3),
  created_at timestamptz(3) not null default clock_timestamp(),
  foreign key (org_id, project_id) references projects (org_id, id) on delete cascade,
  foreign key (forge_id) references forges on delete set null
);
create index task_issues_of_issue on task_issues (project_id, number);
create index task_issues_forge on task_issues (forge_id);

-- Questions of agents that were asked on a forge.
create table forge_questions (
  task_id uuid not null references tasks on delete cascade,
  -- since when the task waits for the answer
  asked_at timestamptz(3) not null,
  org_id uuid not null references organizations on delete cascade,
  kind text not null check (kind in ('issue', 'pull_request')),
  number integer not null,
  -- null until the comment is there
  comment_id text,
  answered_at timestamptz(3),
  primary key (task_id, asked_at)
);

-- Threads and comments that exist on both sides.
create table forge_threads (
  thread_id uuid primary key references review_threads on delete cascade,
  org_id uuid not null references organizations on delete cascade,
  pull_request_id uuid not null references pull_requests on delete cascade,
  -- the forge's id of the thread; null until it is there
  remote_id text,
  url text,
  -- the state that both sides had last
  resolved boolean not null default false,
  unique (pull_request_id, remote_id)
);
create table forge_comments (
  comment_id uuid primary key references review_comments on delete cascade,
  org_id uuid not null references organizations on delete cascade,
  pull_request_id uuid not null references pull_requests on delete cascade,
  remote_id text,
  url text,
  -- the author there; null for comments that were written here
  login text,
  unique (pull_request_id, remote_id)
);

-- Results of the merge queue that a forge shows at a commit.
create table forge_statuses (
  pull_request_id uuid primary key references pull_requests on delete cascade,
  org_id uuid not null references organizations on delete cascade,
  -- the commit and the state that were sent last
  shown text not null
);

do $$
declare
  tenant_table text;
begin
  foreach tenant_table in array array['forge_deliveries', 'forge_seen', 'task_issues', 'forge_questions',
    'forge_threads', 'forge_comments', 'forge_statuses'] loop
    execute format('alter table %I enable row level security', tenant_table);
    execute format('alter table %I force row level security', tenant_table);
    execute format(
      'create policy tenant on %I using (org_id between app_org_from() and app_org_to())',
      tenant_table);
  end loop;
end $$;

create trigger tell_change after insert or update on forge_deliveries for each row
  execute function tell_change('org_id', 'forge_id');
create trigger tell_change after insert or update on task_issues for each row
  execute function tell_change('org_id', 'project_id');
