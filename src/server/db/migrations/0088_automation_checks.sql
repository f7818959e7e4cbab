-- Checks that automations run. Those of a branch, not of a task, have no agent.

alter table commit_checks alter column agent_id drop not null;
alter table commit_checks add column firing_id uuid references automation_firings on delete cascade;
create unique index commit_checks_firing on commit_checks (firing_id) where firing_id is not null;

-- Such a check is a run of its project.
alter table runs drop constraint runs_of;
alter table runs add constraint runs_of check ((agent_id is null) = (project_id is not null)
  and (kind <> 'build' or agent_id is null) and (kind in ('build', 'check') or agent_id is not null));

-- What the failure of such a check fires is the next link of its chain.
create or replace function ask_automations_of_check() returns trigger language plpgsql as $$
declare
  links integer := (select chain from automation_firings where id = new.firing_id);
begin
  perform ask_automations('check ' || new.id, new.org_id, new.project_id, 'check.failed',
    task_of_agent(new.agent_id), null,
    jsonb_build_object('branch', new.branch, 'commit', new.commit_sha, 'check', jsonb_build_object('name', new.name,
      'url', null, 'log', left(new.detail, 8000))));
  if links is not null then
    update automation_firings set chain = links + 1 where event_id = 'check ' || new.id
      and automation_id in (select id from automations where project_id = new.project_id);
  end if;
  return null;
end $$;

-- The runs of checks have an event of their own.
create or replace function ask_automations_of_run() returns trigger language plpgsql as $$
begin
  if new.kind = 'check' then return null; end if;
  perform ask_automations('run ' || new.id, new.org_id, coalesce(new.project_id, g.project_id), 'run.failed',
    task_of_agent(new.agent_id), g.name,
    jsonb_build_object('reason', left(coalesce(new.detail, new.status), 500)))
  from (select) here left join agents g on g.id = new.agent_id;
  return null;
end $$;

-- A prediction counts once the target itself has the other side: before, an agent could not merge it.
create or replace function ask_automations_of_event() returns trigger language plpgsql as $$
begin
  perform ask_automations(concat_ws(' ', 'conflict', g.id, s.head_commit, s.base_commit), new.org_id, g.project_id,
    'merge.conflicted', task_of_agent(g.id), null, jsonb_build_object('branch', s.base_branch, 'reason',
      left('Conflicts are predicted in ' || (select string_agg(distinct c -> 'paths' ->> 0, ', ')
        from jsonb_array_elements(p.conflicts) c) || '.', 500)))
  from agents g
  join radar_scans s on s.agent_id = g.id
  join radar_pairs p on p.project_id = s.project_id and p.source_commit = s.head_commit
    and p.source_fork = s.fork_commit and p.target_commit = s.base_commit and p.target_fork = s.fork_commit
  where g.id = new.subject_id and p.total_conflicts > 0;
  return null;
end $$;
drop trigger ask_automations on events;
create trigger ask_automations after insert on events for each row
  when (new.type in ('conflict.predicted', 'conflict.changed')) execute function ask_automations_of_event();
