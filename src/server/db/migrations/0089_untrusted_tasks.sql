-- Tasks from texts of people from outside wait for a person; a branch that was rewritten on a forge becomes an attempt.

alter table projects
  -- whether tasks from texts of people without write access wait for a person before they start
  add column hold_untrusted_tasks boolean not null default true;

alter table tasks
  -- untrusted: its text is by people without write access; its runs have no secrets and never the network full
  add column trust text not null default 'trusted' check (trust in ('trusted', 'untrusted')),
  -- since when it waits for a person who releases it
  add column held_since timestamptz(3);

alter table workspaces
  -- the commit of a forge that it begins with, in place of the base branch's newest
  add column start_commit text;

-- The state of an attempt, and why it needs a person.
create or replace function task_attempt_state(
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
      return;
    end if;
    -- Work that came from a forge waits for its first prompt.
    if workspace.start_commit is null or workspace.head_commit is null then
      status := 'starting'; return;
    end if;
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
  if session.id is not null and session.turn_ended_at is null then
    status := 'failed';
    kind := case when run_status = 'quota_exceeded' then 'budget' else 'failed' end;
    summary := coalesce(session.detail, 'The program has ended before its first turn.');
    return;
  end if;
  since := coalesce(session.turn_ended_at, attempt.created_at);
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
  summary := case when session.id is null then 'Its branch was rewritten on the forge.' else session.turn_message end;
  if merged_at is null and workspace.head_commit is distinct from workspace.parent_commit then
    status := 'ready'; kind := 'review'; return;
  end if;
  if session.turn_stop_reason = 'cancelled' then
    status := 'stopped'; kind := null; summary := null; return;
  end if;
  status := 'needs_you'; kind := 'no_changes';
end $$;

-- How pressing each kind of attention is.
create or replace function task_urgency(kind text) returns integer language sql immutable as $$
  select case kind when 'permission' then 10 when 'question' then 20 when 'release' then 25 when 'missing_key' then 30
    when 'delivery_unknown' then 35 when 'review' then 40 when 'no_changes' then 45 when 'failed' then 50
    when 'stuck' then 55 when 'conflict' then 60 when 'budget' then 70 else 100 end
$$;

-- Derives the status and the attention of a task from its parts.
create or replace function refresh_task(task_id_in uuid) returns void language plpgsql as $$
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
      if task.held_since is not null then
        found_kind := 'release';
        found_since := task.held_since;
        found_summary := 'Its text is by people from outside; a person decides whether it starts.';
      end if;
      new_status := case when task.held_since is not null then 'needs_you'
        when task.start_error is not null then 'failed' when exists (
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
