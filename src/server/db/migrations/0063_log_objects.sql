-- The logs of ended runs in the object storage. The row comes before the object and goes after it, so that each
-- object has a row, whenever the server is killed.
create table log_objects (
  run_id uuid primary key references runs,
  org_id uuid not null references organizations on delete cascade,
  project_id uuid not null,
  -- where it is, so that later settings do not hide it
  bucket text not null,
  object_key text not null,
  -- uploading: the log is in the data folder; stored: the object was read back; deleting: both are to go
  state text not null default 'uploading' check (state in ('uploading', 'stored', 'deleting')),
  -- until when a process uploads it
  lease_until timestamptz(3),
  bytes bigint,
  sha256 bytea,
  last_output_at timestamptz(3),
  -- the last line with visible text, for lists
  last_line text,
  stored_at timestamptz(3),
  constraint log_objects_stored check (state <> 'stored'
    or num_nulls(bytes, sha256, last_output_at, stored_at) = 0)
);
create index log_objects_org on log_objects (org_id);
create index log_objects_project on log_objects (project_id);
create index log_objects_expiry on log_objects (last_output_at) where state = 'stored';
create index log_objects_deleting on log_objects (run_id) where state = 'deleting';
create index log_objects_key on log_objects (object_key);

alter table log_objects enable row level security;
alter table log_objects force row level security;
create policy tenant on log_objects using (org_id between app_org_from() and app_org_to());

-- Part of the keys of logs. A restored installation gets another one, so that it never deletes objects of the
-- installation that it is a copy of.
alter table installation add column log_storage_id uuid not null default gen_random_uuid();
