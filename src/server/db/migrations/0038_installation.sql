-- What the installation knows of itself: one row. The key verifies API keys, links and recovery codes by
-- their HMAC. It is encrypted under the secret, so that it tells another secret from the right one, and
-- stays the same when the secret is rotated.
create table installation (
  id boolean primary key default true constraint installation_one_row check (id),
  encrypted_verification_key bytea not null,
  updated_at timestamptz(3) not null default now()
);
alter table installation enable row level security;
alter table installation force row level security;
create policy system_only on installation using (app_is_system());

-- Acts of operators and super admins, a chain of hashes like that of each organization.
create table installation_events (
  id uuid primary key,
  sequence bigint not null constraint installation_events_sequence_key unique,
  at timestamptz(3) not null,
  actor jsonb not null,
  action text not null,
  target jsonb,
  ip text,
  request_id text,
  changes jsonb not null,
  -- SHA-256 in hex
  previous_hash text not null,
  hash text not null
);
alter table installation_events enable row level security;
alter table installation_events force row level security;
create policy system_only on installation_events using (app_is_system());
create trigger installation_events_append_only before update or delete on installation_events
  for each row execute function refuse_change();
create trigger installation_events_no_truncate before truncate on installation_events
  for each statement execute function refuse_change();

-- A deleted user's row stays, without anything of the person, for what refers to it.
alter table users add column deleted_at timestamptz(3);

-- Targets of audit events that name a deleted person. The events stay as they were hashed; their answers
-- show "Deleted user" instead.
create table redacted_audit_targets (
  org_id uuid not null references organizations on delete cascade,
  target_id uuid not null,
  primary key (org_id, target_id)
);
alter table redacted_audit_targets enable row level security;
alter table redacted_audit_targets force row level security;
create policy tenant on redacted_audit_targets using (org_id between app_org_from() and app_org_to());
