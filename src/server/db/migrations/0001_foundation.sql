-- The foundation: people, organizations, projects, agents, workspaces, keys.
--
-- Tenancy: the server connects as a role that owns nothing. Every table with org_id has row-level
-- security, forced, with one policy: a row is visible where app.org_id is its organization, or where
-- the connection is one of the few that work across organizations (app.system = 'on').

create function app_org_id() returns uuid language sql stable as
  $$ select nullif(current_setting('app.org_id', true), '')::uuid $$;
create function app_is_system() returns boolean language sql stable as
  $$ select coalesce(current_setting('app.system', true), '') = 'on' $$;

create table users (
  id uuid primary key,
  email text not null constraint users_email_key unique,
  full_name text,
  department text,
  attributes jsonb not null default '{}',
  is_active boolean not null default true,
  is_verified boolean not null default false,
  is_super_admin boolean not null default false,
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3) not null default now(),
  last_login_at timestamptz(3)
);

-- How a person proves who they are: a password here, later an identity provider beside it.
create table accounts (
  id uuid primary key,
  user_id uuid not null references users on delete cascade,
  provider_id text not null,
  account_id text not null,
  password_hash text,
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3) not null default now(),
  constraint accounts_provider_key unique (provider_id, account_id)
);
create index accounts_user on accounts (user_id);

create table sessions (
  id uuid primary key,
  user_id uuid not null references users on delete cascade,
  -- counts the refreshes: a refresh token of an earlier generation has been used before
  generation integer not null default 0,
  ip text,
  user_agent text,
  created_at timestamptz(3) not null default now(),
  last_used_at timestamptz(3) not null default now(),
  expires_at timestamptz(3) not null,
  revoked_at timestamptz(3)
);
create index sessions_user on sessions (user_id);

-- Failed logins and sign-ups, counted in fixed windows, for all server processes together.
create table rate_limits (
  bucket text not null,
  window_start timestamptz(3) not null,
  hits integer not null,
  primary key (bucket, window_start)
);

create table organizations (
  id uuid primary key,
  name text not null,
  slug text not null constraint organizations_slug_key unique,
  description text,
  owner_id uuid not null references users,
  billing_email text,
  max_concurrent_agents integer not null default 5,
  max_agent_runtime_hours double precision not null default 100,
  settings jsonb not null default '{}',
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3) not null default now(),
  archived_at timestamptz(3)
);

-- Every slug that an organization has or had: an old one keeps resolving and is never given away.
create table organization_slugs (
  slug text constraint organization_slugs_pkey primary key,
  org_id uuid not null references organizations on delete cascade
);
create index organization_slugs_org on organization_slugs (org_id);

create table roles (
  id uuid primary key,
  org_id uuid references organizations on delete cascade,
  name text not null,
  description text,
  permissions text[] not null,
  inherits_from uuid references roles,
  created_at timestamptz(3) not null default now(),
  constraint roles_org_name_key unique (org_id, name)
);
create unique index roles_system_name_key on roles (name) where org_id is null;

-- A role's permission patterns with those it inherits. Cycles are refused when a role is written;
-- the union keeps one that is there all the same from running for ever.
create function role_patterns(role uuid) returns text[] language sql stable as $$
  with recursive chain as (
    select id, inherits_from, permissions from roles where id = role
    union
    select r.id, r.inherits_from, r.permissions from roles r join chain c on r.id = c.inherits_from
  )
  select coalesce(array_agg(distinct pattern), '{}') from chain, unnest(permissions) as pattern
$$;

create table projects (
  id uuid primary key,
  org_id uuid not null references organizations on delete cascade,
  name text not null,
  slug text not null,
  description text,
  default_branch text not null,
  import_url text,
  status text not null check (status in ('importing', 'ready', 'failed')),
  progress smallint not null default 0 check (progress between 0 and 100),
  error text,
  -- when the imported history was received, as far as it has no time of its own
  imported_at timestamptz(3),
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3) not null default now(),
  constraint projects_org_id_key unique (org_id, id),
  constraint projects_org_slug_key unique (org_id, slug)
);

create table agents (
  id uuid primary key,
  org_id uuid not null references organizations on delete cascade,
  project_id uuid not null,
  name text not null,
  description text,
  parent_agent_id uuid,
  terminated_at timestamptz(3),
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3) not null default now(),
  constraint agents_org_id_key unique (org_id, id),
  constraint agents_org_name_key unique (org_id, name),
  foreign key (org_id, project_id) references projects (org_id, id) on delete cascade,
  foreign key (org_id, parent_agent_id) references agents (org_id, id)
);
create index agents_project on agents (project_id);
create index agents_parent on agents (parent_agent_id);

create table memberships (
  id uuid primary key,
  org_id uuid not null references organizations on delete cascade,
  user_id uuid references users,
  agent_id uuid,
  role_id uuid not null references roles,
  invited_by uuid references users,
  joined_at timestamptz(3) not null default now(),
  constraint memberships_one_subject check (num_nonnulls(user_id, agent_id) = 1),
  constraint memberships_user_key unique (org_id, user_id),
  constraint memberships_agent_key unique (org_id, agent_id),
  constraint memberships_agent_fkey
    foreign key (org_id, agent_id) references agents (org_id, id) on delete cascade
);
create index memberships_user on memberships (user_id);
create index memberships_role on memberships (role_id);

-- The ledger of runs: what usage and quotas are counted from.
create table runs (
  id uuid primary key,
  org_id uuid not null references organizations on delete cascade,
  agent_id uuid not null,
  kind text not null check (kind in ('managed', 'leased')),
  status text not null,
  exit_code integer,
  started_at timestamptz(3) not null default now(),
  ended_at timestamptz(3),
  lease_expires_at timestamptz(3),
  last_heartbeat_at timestamptz(3),
  constraint runs_ended check ((status = 'running') = (ended_at is null)),
  foreign key (org_id, agent_id) references agents (org_id, id) on delete cascade
);
create unique index runs_one_per_agent on runs (agent_id) where ended_at is null;
create index runs_running on runs (org_id) where ended_at is null;
create index runs_ledger on runs (org_id, started_at);

create table workspaces (
  agent_id uuid primary key,
  org_id uuid not null references organizations on delete cascade,
  project_id uuid not null,
  branch_name text not null,
  base_branch text not null,
  workspace_type text not null default 'local' check (workspace_type in ('local', 'docker', 'remote')),
  parent_agent_id uuid,
  parent_commit text,
  head_commit text,
  -- the tree of head_commit: what the folder is compared with
  head_tree text,
  status text not null check (status in ('creating', 'active', 'merging', 'archived', 'failed')),
  error text,
  merge_strategy text not null default 'newest_file_wins',
  auto_checkpoint boolean not null default true,
  retention_days integer not null default 30,
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3) not null default now(),
  constraint workspaces_org_agent_key unique (org_id, agent_id),
  constraint workspaces_branch_key unique (project_id, branch_name),
  foreign key (org_id, agent_id) references agents (org_id, id) on delete cascade,
  foreign key (org_id, project_id) references projects (org_id, id) on delete cascade
);

-- When the server first received a commit. Clients' commit dates are never believed; what has no row
-- here came with the import.
create table received_commits (
  org_id uuid not null references organizations on delete cascade,
  project_id uuid not null,
  commit_sha text not null,
  received_at timestamptz(3) not null default clock_timestamp(),
  sequence bigint generated always as identity,
  primary key (project_id, commit_sha),
  foreign key (org_id, project_id) references projects (org_id, id) on delete cascade
);

-- A row is written as 'pending' before the branch moves, and 'recorded' after: what a crash leaves
-- pending is decided at the next start by whether the branch holds the commit.
create table workspace_commits (
  id uuid primary key,
  org_id uuid not null references organizations on delete cascade,
  agent_id uuid not null,
  commit_sha text not null,
  parent_sha text not null,
  tree_sha text not null,
  commit_type text not null check (commit_type in ('checkpoint', 'validation', 'manual', 'final', 'merge')),
  iteration integer,
  files_changed integer not null,
  additions integer not null,
  deletions integer not null,
  message text not null,
  state text not null check (state in ('pending', 'recorded')),
  created_at timestamptz(3) not null default clock_timestamp(),
  constraint workspace_commits_key unique (agent_id, commit_sha),
  foreign key (org_id, agent_id) references workspaces (org_id, agent_id) on delete cascade
);
create index workspace_commits_list on workspace_commits (agent_id, created_at desc, id desc);
create index workspace_commits_pending on workspace_commits (state) where state = 'pending';

-- As with commits: 'pending' before the target branch moves, 'done' after.
create table merges (
  id uuid primary key,
  org_id uuid not null references organizations on delete cascade,
  project_id uuid not null,
  agent_id uuid not null,
  source_branch text not null,
  target_branch text not null,
  source_commit text not null,
  target_commit text not null,
  merge_commit text not null,
  strategy text not null,
  state text not null check (state in ('pending', 'done')),
  status text not null check (status in ('clean', 'conflict_resolved')),
  resolutions jsonb not null,
  reverted_by uuid,
  created_at timestamptz(3) not null default clock_timestamp(),
  foreign key (org_id, project_id) references projects (org_id, id) on delete cascade,
  foreign key (org_id, agent_id) references workspaces (org_id, agent_id) on delete cascade
);
create index merges_list on merges (agent_id, created_at desc, id desc);
create index merges_project on merges (project_id);
create index merges_pending on merges (state) where state = 'pending';

create table api_keys (
  id uuid primary key,
  user_id uuid not null references users on delete cascade,
  name text not null,
  description text,
  -- HMAC-SHA-256 under a secret outside the database; the key itself is nowhere
  key_hash bytea not null constraint api_keys_hash_key unique,
  key_prefix text not null,
  key_hint text not null,
  -- '*:*' or 'org:<organization id>:<permission pattern>'
  scopes text[] not null,
  org_id uuid references organizations,
  created_at timestamptz(3) not null default now(),
  last_used_at timestamptz(3),
  last_used_ip text,
  expires_at timestamptz(3),
  revoked_at timestamptz(3)
);
create index api_keys_user on api_keys (user_id, created_at desc, id desc);

-- Row-level security, the same for every table of an organization.
do $$
declare
  tenant_table text;
begin
  foreach tenant_table in array array[
    'projects', 'agents', 'memberships', 'runs', 'workspaces', 'received_commits',
    'workspace_commits', 'merges', 'organization_slugs'
  ] loop
    execute format('alter table %I enable row level security', tenant_table);
    execute format('alter table %I force row level security', tenant_table);
    execute format(
      'create policy tenant on %I using (org_id = app_org_id() or app_is_system())', tenant_table);
  end loop;
end $$;

alter table organizations enable row level security;
alter table organizations force row level security;
create policy tenant on organizations using (id = app_org_id() or app_is_system());

-- System roles (no organization) are everybody's to read and nobody's to write.
alter table roles enable row level security;
alter table roles force row level security;
create policy tenant on roles
  using (org_id is null or org_id = app_org_id() or app_is_system())
  with check (org_id = app_org_id() or app_is_system());

-- Keys belong to a person and act in organizations: only cross-organization code touches them.
alter table api_keys enable row level security;
alter table api_keys force row level security;
create policy system_only on api_keys using (app_is_system());
