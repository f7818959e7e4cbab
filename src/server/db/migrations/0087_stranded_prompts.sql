alter table agent_session_inputs
  -- the request of a prompt: a program that did not start with it starts on its behalf
  add column origin jsonb,
  -- a prompt that starts no program, since the run for which it waited was stopped: it waits for the next prompt
  add column is_held boolean not null default false;
create index agent_session_inputs_waiting on agent_session_inputs (session_id)
  where kind = 'prompt' and taken_at is null;
