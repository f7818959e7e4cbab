-- Runs of agents' programs by a prompt.
alter table runs add column preset text
  check (preset in ('claude-code', 'codex', 'gemini', 'opencode', 'custom'));
alter table runs add column prompt text;
alter table runs add column model text;
-- the program's final message
alter table runs add column result text;

-- The work of an agent: the prompt of its next run, and the default message of its merges.
alter table agents add column task_title text;
alter table agents add column task_text text;
alter table agents add constraint agents_task_check
  check ((task_title is null) = (task_text is null));
