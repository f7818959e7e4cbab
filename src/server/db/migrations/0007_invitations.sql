-- Invitations by e-mail and link. What became of one is told by accepted_at, revoked_at and expires_at.
create table invitations (
  id uuid primary key,
  org_id uuid not null references organizations on delete cascade,
  email text not null,
  -- an open invitation keeps its role from being deleted; one that is over keeps the name alone
  role_id uuid references roles on delete set null,
  role_name text not null,
  -- HMAC-SHA-256 under a secret outside the database; the token itself is nowhere
  token_hash bytea not null constraint invitations_token_key unique,
  invited_by uuid references users on delete set null,
  created_at timestamptz(3) not null default now(),
  expires_at timestamptz(3) not null,
  accepted_at timestamptz(3),
  revoked_at timestamptz(3),
  constraint invitations_one_end check (num_nonnulls(accepted_at, revoked_at) <= 1)
);
-- One for each address: an expired one is deleted when a new one takes its place.
create unique index invitations_one_live on invitations (org_id, email)
  where accepted_at is null and revoked_at is null;
create index invitations_list on invitations (org_id, id desc);
create index invitations_role on invitations (role_id);

alter table invitations enable row level security;
alter table invitations force row level security;
create policy tenant on invitations using (org_id = app_org_id() or app_is_system());
