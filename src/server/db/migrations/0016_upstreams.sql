-- Where imported projects come from: what is under way with the upstream, and what is known of it.
create table upstreams (
  project_id uuid primary key,
  org_id uuid not null references organizations on delete cascade,
  status text not null default 'idle' check (status in ('idle', 'fetching', 'pushing', 'failed')),
  progress smallint not null default 0 check (progress between 0 and 100),
  error text,
  -- what is under way and in whose name, so that a restart can take it up
  act jsonb,
  -- what the last fetch found
  last_fetch jsonb,
  -- the key that an SSH server has to show: its line, or a fingerprint until it was seen
  host_key text,
  fetched_at timestamptz(3),
  pushed_at timestamptz(3),
  foreign key (org_id, project_id) references projects (org_id, id) on delete cascade
);
create index upstreams_under_way on upstreams (project_id) where status in ('fetching', 'pushing');

insert into upstreams (project_id, org_id, fetched_at)
  select id, org_id, imported_at from projects where import_url is not null;

-- What a private upstream is shown to be let in. The secret is sealed under the installation's secret;
-- the rest is what may be seen of it.
create table upstream_credentials (
  project_id uuid primary key,
  org_id uuid not null references organizations on delete cascade,
  kind text not null check (kind in ('https_token', 'ssh_key')),
  username text,
  hint text,
  public_key text,
  fingerprint text,
  sealed bytea not null,
  set_at timestamptz(3) not null default now(),
  set_by uuid references users on delete set null,
  foreign key (org_id, project_id) references projects (org_id, id) on delete cascade
);

alter table upstreams enable row level security;
alter table upstreams force row level security;
create policy tenant on upstreams using (org_id between app_org_from() and app_org_to());
alter table upstream_credentials enable row level security;
alter table upstream_credentials force row level security;
create policy tenant on upstream_credentials using (org_id between app_org_from() and app_org_to());

create trigger tell_change after insert or update or delete on upstreams for each row
  execute function tell_change('org_id', 'project_id');
create trigger tell_change after insert or update or delete on upstream_credentials for each row
  execute function tell_change('org_id', 'project_id');

create index merges_of_project on merges (project_id, created_at desc, id desc) where state = 'done';
create index workspaces_of_project on workspaces (project_id, agent_id);
