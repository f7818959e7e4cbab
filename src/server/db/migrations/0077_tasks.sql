-- Tasks: what people want done. Agents, workspaces and sessions are attempts at them.

alter table organizations
  -- open tasks that the agents of one task have created
  add column max_open_child_tasks integer not null default 20
    check (max_open_child_tasks between 0 and 1000);

alter table projects
  add column default_preset text,
  add column default_model text,
  -- minutes of silence after which work needs a person
  add column stuck_after_minutes integer not null default 15
    check (stuck_after_minutes between 1 and 1440);

-- The turn that a session is in or has ended, as told by its program.
alter table agent_sessions
  add column turn_started_at timestamptz(3),
  add column turn_ended_at timestamptz(3),
  add column turn_stop_reason text,
  -- the last words of an ended turn, and whether they ask for an answer
  add column turn_message text,
  add column turn_asks boolean not null default false,
  -- {files, added, removed} of its branch at the end of the turn
  add column turn_changes jsonb,
  -- while it works: since when it has been silent for longer than its project allows
  add column silent_since timestamptz(3);

create table tasks (
  id uuid primary key,
  org_id uuid not null references organizations on delete cascade,
  project_id uuid not null,
  parent_task_id uuid references tasks on delete set null,
  number integer not null,
  title text not null,
  body text not null,
  owner_id uuid references users on delete set null,
  labels text[] not null default '{}',
  priority text not null default 'normal' check (priority in ('low', 'normal', 'high', 'urgent')),
  -- {kind, url, id}
  source jsonb not null,
  -- {type, id, name} at that time
  created_by jsonb not null,
  -- the request on whose behalf attempts start
  origin jsonb not null,
  -- what starts once the dependencies are done; null if nothing does by itself
  launch jsonb,
  -- {code, detail, at}: why it could not start once they were
  start_error jsonb,
  -- whether the start is being undone
  is_undone boolean not null default false,
  chosen_attempt_id uuid,
  resolution text check (resolution in ('done', 'cancelled')),
  -- derived from the parts by refresh_task
  status text not null default 'open',
  attention jsonb,
  -- smaller is more urgent
  urgency integer not null default 100,
  created_at timestamptz(3) not null default clock_timestamp(),
  updated_at timestamptz(3) not null default clock_timestamp(),
  finished_at timestamptz(3),
  constraint tasks_finished check ((resolution is null) = (finished_at is null)),
  constraint tasks_number unique (project_id, number),
  foreign key (org_id, project_id) references projects (org_id, id) on delete cascade
);
create index tasks_of_organization on tasks (org_id, id);
create index tasks_of_project on tasks (project_id, id);
create index tasks_by_status on tasks (org_id, status, id);
create index tasks_by_urgency on tasks (org_id, urgency, id);
create index tasks_parent on tasks (parent_task_id) where parent_task_id is not null;
create index tasks_owner on tasks (org_id, owner_id);
create index tasks_to_start on tasks (project_id) where launch is not null or is_undone;

create table task_dependencies (
  task_id uuid not null references tasks on delete cascade,
  depends_on uuid not null references tasks on delete cascade,
  org_id uuid not null references organizations on delete cascade,
  primary key (task_id, depends_on)
);
create index task_dependencies_on on task_dependencies (depends_on);

create table task_attempts (
  id uuid primary key,
  org_id uuid not null references organizations on delete cascade,
  task_id uuid not null references tasks on delete cascade,
  number integer not null,
  agent_id uuid not null unique,
  -- the id that its session has or will have
  session_id uuid not null unique,
  preset text not null,
  -- preset, command, model, network, allowed_hosts and prompt of its session
  launch jsonb not null,
  -- {code, detail, at}: why the session could not start
  start_error jsonb,
  stopped_at timestamptz(3),
  archived_at timestamptz(3),
  created_at timestamptz(3) not null default clock_timestamp(),
  unique (task_id, number),
  foreign key (org_id, agent_id) references agents (org_id, id) on delete cascade
);
create index task_attempts_org on task_attempts (org_id);

do $$
declare
  tenant_table text;
begin
  foreach tenant_table in array array['tasks', 'task_dependencies', 'task_attempts'] loop
    execute format('alter table %I enable row level security', tenant_table);
    execute format('alter table %I force row level security', tenant_table);
    execute format(
      'create policy tenant on %I using (org_id between app_org_from() and app_org_to())',
      tenant_table);
  end loop;
end $$;

create trigger tell_change after insert or update or delete on tasks for each row
  execute function tell_change('org_id', 'id');

-- The state of an attempt, and why it needs a person.
create function task_attempt_state(
  attempt task_attempts, out status text, out kind text, out since timestamptz, out summary text
) language plpgsql stable as $$
declare
  session agent_sessions;
  workspace workspaces;
  request merge_requests;
  run_status text;
  merged_at timestamptz;
begin
  if attempt.archived_at is not null or exists (
    select from agents g where g.id = attempt.agent_id and g.terminated_at is not null)
  then
    status := case when exists (
      select from merges m where m.agent_id = attempt.agent_id and m.state = 'done' and m.kind = 'merge'
        and m.reverted_by is null)
      then 'merged' else 'archived' end;
    return;
  end if;
  if attempt.stopped_at is not null then status := 'stopped'; return; end if;
  if attempt.start_error is not null then
    status := 'failed';
    kind := case attempt.start_error ->> 'code'
      when 'missing_model_key' then 'missing_key' when 'quota_exceeded' then 'budget' else 'failed' end;
    since := (attempt.start_error ->> 'at')::timestamptz;
    summary := attempt.start_error ->> 'detail';
    return;
  end if;
  select * into session from agent_sessions where id = attempt.session_id;
  select * into workspace from workspaces where agent_id = attempt.agent_id;
  if session.id is null then
    if workspace.status = 'failed' then
      status := 'failed'; kind := 'failed'; since := workspace.updated_at; summary := workspace.error;
    else
      status := 'starting';
    end if;
    return;
  end if;
  select r.status into run_status from runs r where r.id = session.run_id;
  since := session.updated_at;
  if session.status in ('starting', 'working') then
    status := case session.status when 'starting' then 'starting' else 'working' end;
    if session.silent_since is not null then
      kind := 'stuck'; since := session.silent_since; summary := 'Silent while it works';
    end if;
    return;
  end if;
  if session.status = 'waiting_for_permission' then
    status := 'needs_you'; kind := 'permission';
    summary := session.permissions -> 0 ->> 'title';
    return;
  end if;
  select * into request from merge_requests q
    where q.agent_id = attempt.agent_id and q.org_id = attempt.org_id and q.kind = 'merge'
    order by q.id desc limit 1;
  if request.status in ('queued', 'checking') or exists (
    select from merges m where m.agent_id = attempt.agent_id and m.state = 'pending' and m.kind = 'merge')
  then
    status := 'merging'; return;
  end if;
  select max(m.created_at) into merged_at from merges m
    where m.agent_id = attempt.agent_id and m.state = 'done' and m.kind = 'merge'
      and m.target_branch = workspace.base_branch and m.source_commit = workspace.head_commit
      and m.reverted_by is null;
  -- Until a later turn ends.
  if merged_at >= coalesce(session.turn_ended_at, '-infinity') then
    status := 'merged'; return;
  end if;
  if request.status = 'waiting_for_approval' then
    status := 'ready'; kind := 'review'; since := request.created_at; summary := request.reason;
    return;
  end if;
  if session.turn_started_at is not null and session.turn_ended_at is null then
    -- Its program has ended in the middle of a turn.
    status := 'failed';
    kind := case when run_status = 'quota_exceeded' then 'budget' when run_status = 'lost' then 'delivery_unknown'
      else 'failed' end;
    summary := coalesce(session.detail, 'The program has ended before the end of its turn.');
    return;
  end if;
  if session.turn_ended_at is null then
    status := 'failed';
    kind := case when run_status = 'quota_exceeded' then 'budget' else 'failed' end;
    summary := coalesce(session.detail, 'The program has ended before its first turn.');
    return;
  end if;
  since := session.turn_ended_at;
  if session.turn_stop_reason like 'error%' then
    status := 'failed'; kind := 'failed'; summary := session.turn_stop_reason; return;
  end if;
  if session.turn_asks then
    status := 'needs_you'; kind := 'question'; summary := session.turn_message; return;
  end if;
  if request.status = 'rejected' and request.source_commit = workspace.head_commit then
    status := 'failed'; since := request.ended_at; summary := request.reason;
    kind := case when request.reason ilike '%conflict%' then 'conflict' else 'failed' end;
    return;
  end if;
  summary := session.turn_message;
  if merged_at is null and workspace.head_commit is distinct from workspace.parent_commit then
    status := 'ready'; kind := 'review'; return;
  end if;
  if session.turn_stop_reason = 'cancelled' then
    status := 'stopped'; kind := null; summary := null; return;
  end if;
  status := 'needs_you'; kind := 'no_changes';
end $$;

-- How pressing each kind of attention is.
create function task_urgency(kind text) returns integer language sql immutable as $$
  select case kind when 'permission' then 10 when 'question' then 20 when 'missing_key' then 30
    when 'delivery_unknown' then 35 when 'review' then 40 when 'no_changes' then 45 when 'failed' then 50
    when 'stuck' then 55 when 'conflict' then 60 when 'budget' then 70 else 100 end
$$;

-- Derives the status and the attention of a task from its parts.
create function refresh_task(task_id_in uuid) returns void language plpgsql as $$
declare
  task tasks;
  states text[];
  found_kind text;
  found_attempt uuid;
  found_since timestamptz;
  found_summary text;
  new_status text;
  new_attention jsonb;
begin
  select * into task from tasks where id = task_id_in for no key update;
  if not found then return; end if;
  if task.resolution is not null then
    new_status := task.resolution;
  else
    select array_agg(s.status) into states
    from task_attempts a cross join lateral task_attempt_state(a) s
    where a.task_id = task.id and s.status <> 'archived'
      and (task.chosen_attempt_id is null or a.id = task.chosen_attempt_id);
    if states is null then
      select 'failed', t.finished_at, 'A task that it depends on was canceled.'
        into found_kind, found_since, found_summary
        from task_dependencies d join tasks t on t.id = d.depends_on
        where d.task_id = task.id and t.resolution = 'cancelled' limit 1;
      if task.start_error is not null then
        found_kind := case task.start_error ->> 'code'
          when 'missing_model_key' then 'missing_key' else 'failed' end;
        found_since := (task.start_error ->> 'at')::timestamptz;
        found_summary := task.start_error ->> 'detail';
      end if;
      new_status := case when task.start_error is not null then 'failed' when exists (
        select from task_dependencies d join tasks t on t.id = d.depends_on
        where d.task_id = task.id and t.resolution is distinct from 'done')
        then 'waiting' else 'open' end;
    else
      select s.kind, a.id, s.since, s.summary into found_kind, found_attempt, found_since, found_summary
      from task_attempts a cross join lateral task_attempt_state(a) s
      where a.task_id = task.id and a.archived_at is null and s.kind is not null
        and (task.chosen_attempt_id is null or a.id = task.chosen_attempt_id)
      order by task_urgency(s.kind), s.since, a.number limit 1;
      -- A failure or a result of one attempt can wait for the others.
      if states && array['starting', 'working'] and found_kind not in
        ('permission', 'question', 'missing_key', 'delivery_unknown', 'stuck')
      then
        found_kind := null;
      end if;
      new_status := case
        when 'merging' = any(states) then 'merging'
        when found_kind in ('permission', 'question', 'missing_key', 'delivery_unknown', 'no_changes', 'budget')
          then 'needs_you'
        when states && array['starting', 'working'] then 'working'
        when found_kind = 'review' then 'in_review'
        when found_kind is not null then 'failed'
        else 'open' end;
    end if;
  end if;
  if found_kind is not null and new_status <> 'merging' then
    new_attention := jsonb_build_object('kind', found_kind, 'attempt_id', found_attempt,
      'since', wire_time(found_since),
      'summary', left(coalesce(found_summary, ''), 500));
  end if;
  if new_status = task.status and new_attention is not distinct from task.attention then return; end if;
  update tasks set status = new_status, attention = new_attention,
    urgency = task_urgency(new_attention ->> 'kind'), updated_at = clock_timestamp()
  where id = task.id;
end $$;

create function refresh_task_of_session() returns trigger language plpgsql as $$
begin
  perform refresh_task(a.task_id) from task_attempts a where a.session_id = new.id;
  return null;
end $$;
create trigger refresh_task_inserted after insert on agent_sessions for each row
  execute function refresh_task_of_session();
create trigger refresh_task after update on agent_sessions for each row
  when ((old.status, old.detail, old.permissions, old.turn_started_at, old.turn_ended_at, old.silent_since, old.run_id)
    is distinct from
    (new.status, new.detail, new.permissions, new.turn_started_at, new.turn_ended_at, new.silent_since, new.run_id))
  execute function refresh_task_of_session();

-- Its program may be recorded as lost or stopped by a limit after the end of its session.
create function refresh_task_of_run() returns trigger language plpgsql as $$
begin
  perform refresh_task(a.task_id)
  from agent_sessions s join task_attempts a on a.session_id = s.id where s.run_id = new.id;
  return null;
end $$;
create trigger refresh_task after update on runs for each row
  when (old.status is distinct from new.status and new.status in ('lost', 'quota_exceeded'))
  execute function refresh_task_of_run();

create function refresh_task_of_terminated() returns trigger language plpgsql as $$
begin
  perform refresh_task(a.task_id) from task_attempts a where a.agent_id = new.id;
  return null;
end $$;
create trigger refresh_task after update on agents for each row
  when (old.terminated_at is null and new.terminated_at is not null)
  execute function refresh_task_of_terminated();

create function refresh_task_of_agent() returns trigger language plpgsql as $$
begin
  perform refresh_task(a.task_id) from task_attempts a where a.agent_id = new.agent_id;
  return null;
end $$;
create trigger refresh_task after update on workspaces for each row
  when ((old.status, old.head_commit) is distinct from (new.status, new.head_commit))
  execute function refresh_task_of_agent();
create trigger refresh_task after insert or update on merge_requests for each row
  execute function refresh_task_of_agent();

-- A merge into the workspace's base branch finishes its task.
create function finish_task_of_merge() returns trigger language plpgsql as $$
begin
  if new.kind = 'merge' and new.state = 'done' and (tg_op = 'INSERT' or old.state <> 'done') then
    update tasks t set resolution = 'done', finished_at = clock_timestamp(), launch = null
    from task_attempts a join workspaces w on w.agent_id = a.agent_id
    where a.agent_id = new.agent_id and t.id = a.task_id and t.resolution is null
      and w.base_branch = new.target_branch and a.archived_at is null
      and (t.chosen_attempt_id is null or t.chosen_attempt_id = a.id);
  end if;
  perform refresh_task(a.task_id) from task_attempts a where a.agent_id = new.agent_id;
  return null;
end $$;
create trigger finish_task after insert or update on merges for each row
  execute function finish_task_of_merge();

-- A task that waits for this one may start.
create function refresh_dependent_tasks() returns trigger language plpgsql as $$
begin
  perform refresh_task(d.task_id) from (
    select task_id from task_dependencies where depends_on = new.id order by task_id) d;
  return null;
end $$;
create trigger refresh_dependents after update on tasks for each row
  when (old.resolution is distinct from new.resolution) execute function refresh_dependent_tasks();
