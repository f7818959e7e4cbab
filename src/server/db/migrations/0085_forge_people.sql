-- The members whom logins of forges belong to. A member who leaves is forgotten.

create table forge_people (
  org_id uuid not null references organizations on delete cascade,
  forge_id uuid not null,
  -- in lower case: forges ignore the case of logins
  login text not null check (login = lower(login)),
  user_id uuid not null,
  -- linked: the member has proved it; set: entered by an admin
  how text not null check (how in ('linked', 'set')),
  created_at timestamptz(3) not null default clock_timestamp(),
  primary key (forge_id, login),
  foreign key (org_id, forge_id) references forges (org_id, id) on delete cascade,
  foreign key (org_id, user_id) references memberships (org_id, user_id) on delete cascade
);
create index forge_people_user on forge_people (org_id, user_id);

alter table forge_people enable row level security;
alter table forge_people force row level security;
create policy tenant on forge_people using (org_id between app_org_from() and app_org_to());

-- How pull requests of a project are named and described; null for the defaults.
alter table project_repositories add column branch_template text, add column body_template text;

-- Merges that a forge has made, which are not computed again.
alter table merges add column by_forge boolean not null default false;

-- The OAuth client of a GitHub App that was made from the browser; null for others.
alter table forges add column client_id text;

-- What a person has begun on GitHub in the browser: an App that is being made, or an account that is being linked.
create table forge_handshakes (
  -- SHA-256 of the state, which only the browser has
  id text primary key,
  org_id uuid not null references organizations on delete cascade,
  user_id uuid not null,
  -- the session that has begun it; no other finishes it
  session_id uuid not null,
  -- manifest: the App is being made; install: it is to be installed; link: an account is being linked
  step text not null check (step in ('manifest', 'install', 'link')),
  -- of the connection that will be made, or that the account is linked by
  forge_id uuid not null,
  url text not null,
  api_url text not null,
  -- the App, encrypted with the installation's secret
  sealed bytea,
  -- as GitHub has named it; it counts once GitHub confirms that the person may see it
  installation_id text,
  tries integer not null default 0,
  expires_at timestamptz(3) not null,
  foreign key (org_id, user_id) references memberships (org_id, user_id) on delete cascade
);
create index forge_handshakes_of on forge_handshakes (org_id, user_id);

alter table forge_handshakes enable row level security;
alter table forge_handshakes force row level security;
create policy tenant on forge_handshakes using (org_id between app_org_from() and app_org_to());
