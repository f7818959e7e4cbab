-- Conversations with agents, over the Agent Client Protocol. Their events are files beside the logs of runs.
create table agent_sessions (
  id uuid primary key,
  org_id uuid not null references organizations on delete cascade,
  agent_id uuid not null references agents on delete cascade,
  preset text not null,
  -- the program that speaks the protocol, and its arguments
  command text[] not null,
  network text not null check (network in ('none', 'restricted', 'full')),
  allowed_hosts text[],
  status text not null
    check (status in ('starting', 'idle', 'working', 'waiting_for_permission', 'closed', 'failed')),
  title text not null,
  -- why it failed, or what happened to its program, as a sentence
  detail text,
  -- the last run of its program
  run_id uuid references runs on delete set null,
  -- the program's own id of the session
  program_session_id text,
  -- how the program takes up a session: by session/load or session/resume
  resumes_by text check (resumes_by in ('load', 'resume')),
  modes jsonb,
  permissions jsonb not null default '[]',
  created_by jsonb not null,
  created_at timestamptz(3) not null default clock_timestamp(),
  updated_at timestamptz(3) not null default clock_timestamp(),
  closed_at timestamptz(3)
);
create index agent_sessions_agent on agent_sessions (agent_id, id);
create index agent_sessions_org on agent_sessions (org_id);
create index agent_sessions_run on agent_sessions (run_id);

-- What callers sent to a session, for the server process that runs its program.
create table agent_session_inputs (
  number bigint generated always as identity primary key,
  org_id uuid not null references organizations on delete cascade,
  session_id uuid not null references agent_sessions on delete cascade,
  kind text not null check (kind in ('prompt', 'cancel', 'permission', 'mode')),
  data jsonb not null,
  sent_by jsonb not null,
  taken_at timestamptz(3)
);
create index agent_session_inputs_session on agent_session_inputs (session_id, number);
create index agent_session_inputs_org on agent_session_inputs (org_id);

alter table agent_sessions enable row level security;
alter table agent_sessions force row level security;
create policy tenant on agent_sessions using (org_id between app_org_from() and app_org_to());
alter table agent_session_inputs enable row level security;
alter table agent_session_inputs force row level security;
create policy tenant on agent_session_inputs using (org_id between app_org_from() and app_org_to());

create trigger tell_change after insert or update or delete on agent_sessions for each row
  execute function tell_change('org_id', 'agent_id');
create trigger tell_change after insert on agent_session_inputs for each row
  execute function tell_change('org_id', 'session_id');

alter table runs add column session_id uuid references agent_sessions on delete set null;
create index runs_session on runs (session_id) where session_id is not null;
