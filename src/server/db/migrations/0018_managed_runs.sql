-- Managed runs: a command in an agent's workspace, and the queue of those that wait for a place.

alter table runs drop constraint runs_ended;
alter table runs
  alter column started_at drop not null,
  add column created_at timestamptz(3) not null default now(),
  -- {type, id, name} as it was then, and through what it was asked for
  add column started_by jsonb,
  add column origin jsonb,
  add column command text[],
  add column network text check (network in ('none', 'full')),
  add column timeout_seconds integer,
  add column env_names text[] not null default '{}',
  -- the values, sealed, only while it waits in the queue
  add column sealed_env bytea,
  add column limits jsonb,
  -- the server process that runs it; its lease is that process's sign of life
  add column server_id uuid,
  -- the HMAC of the token that it is given; null as soon as its command has ended
  add column token_hash bytea,
  -- how it is to end, and why, once somebody or something has asked for it
  add column stop_status text,
  add column stop_detail text,
  -- how its command ended, while its workspace is saved
  add column outcome text,
  add column exited_at timestamptz(3),
  add column detail text,
  add column peak_memory_bytes bigint,
  add column cpu_seconds double precision,
  add column output_bytes bigint not null default 0,
  add column output_truncated boolean not null default false,
  add column checkpoint_sha text,
  add column checkpoint_error text,
  add column checkpointed boolean not null default false,
  add constraint runs_ended check ((status in ('queued', 'running')) = (ended_at is null)),
  add constraint runs_started check (status <> 'running' or started_at is not null),
  add constraint runs_queued check (status <> 'queued' or started_at is null);

update runs set created_at = started_at;

-- a run that waits holds no place
drop index runs_one_per_agent;
create unique index runs_one_per_agent on runs (agent_id) where status = 'running';
drop index runs_running;
create index runs_running on runs (org_id) where status = 'running';
create index runs_queued on runs (org_id, id) where status = 'queued';
create index runs_last_start on runs (agent_id, started_at);
create unique index runs_token on runs (token_hash) where token_hash is not null;

-- Whoever runs it hears that it is to end, and the keys' memory that its token is dead.
drop trigger tell_change on runs;
create trigger tell_change after update on runs for each row
  when ((old.status, old.stop_status, old.token_hash) is distinct from
    (new.status, new.stop_status, new.token_hash))
  execute function tell_change('org_id', 'agent_id');

-- For which limit an organization was warned that most of its hours are used, and when.
alter table organizations
  add column hours_warned_at timestamptz(3),
  add column hours_warned_limit double precision;
