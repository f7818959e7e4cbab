-- The audit log: what was changed in an organization, by whom. Each event hashes the one before it,
-- so that an edit or a gap shows; nobody updates or deletes.
create table audit_events (
  id uuid primary key,
  org_id uuid not null references organizations,
  sequence bigint not null,
  at timestamptz(3) not null,
  actor jsonb not null,
  action text not null,
  target jsonb not null,
  ip text,
  request_id text,
  changes jsonb not null,
  -- SHA-256 in hex
  previous_hash text not null,
  hash text not null,
  constraint audit_events_sequence_key unique (org_id, sequence)
);
create index audit_events_action on audit_events (org_id, action, sequence desc);
create index audit_events_actor on audit_events (org_id, (actor ->> 'id'), sequence desc);
create index audit_events_target on audit_events (org_id, (target ->> 'id'), sequence desc);

alter table audit_events enable row level security;
alter table audit_events force row level security;
create policy tenant on audit_events using (org_id = app_org_id() or app_is_system());

-- The serving role lacks the grants; this stops the owner's mistakes too.
create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception 'audit events are append-only' using errcode = 'insufficient_privilege';
end $$;
create trigger audit_events_append_only before update or delete on audit_events
  for each row execute function refuse_change();
create trigger audit_events_no_truncate before truncate on audit_events
  for each statement execute function refuse_change();

-- Who asked for a merge: the restart that finishes a merge cut off still knows whom to name.
alter table merges add column origin jsonb;
