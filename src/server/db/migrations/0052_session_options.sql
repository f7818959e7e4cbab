-- What a program offers for its session beside modes, such as its model.
alter table agent_sessions add column options jsonb not null default '[]';
alter table agent_session_inputs drop constraint agent_session_inputs_kind_check,
  add constraint agent_session_inputs_kind_check
    check (kind in ('prompt', 'cancel', 'permission', 'mode', 'option'));
