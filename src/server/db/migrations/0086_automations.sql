-- Automations: what starts work without a person, and each time that one was asked to.

create table automations (
  id uuid primary key,
  org_id uuid not null references organizations on delete cascade,
  project_id uuid not null,
  name text not null,
  status text not null check (status in ('active', 'paused', 'disabled')),
  -- why it is paused, as a sentence
  status_reason text,
  triggers jsonb not null,
  -- the types of events among the triggers
  event_types text[] not null,
  filter jsonb not null,
  action jsonb not null,
  -- who saved it last; it acts as this user, or as the service account
  owner_id uuid references users on delete set null,
  service_account_id uuid references users on delete set null,
  -- the request that saved it last: its key limits what the automation may do
  origin jsonb not null,
  per_day integer not null check (per_day between 1 and 10000),
  at_once integer not null check (at_once between 1 and 1000),
  cost_usd_per_day double precision check (cost_usd_per_day > 0),
  overlap text not null check (overlap in ('skip', 'queue', 'replace')),
  -- HMAC of the token of its address
  token_hash bytea,
  -- signs what is sent to its address; encrypted with the installation's secret
  sealed_secret bytea,
  next_at timestamptz(3),
  last_fired_at timestamptz(3),
  created_at timestamptz(3) not null default clock_timestamp(),
  updated_at timestamptz(3) not null default clock_timestamp(),
  unique (org_id, id),
  foreign key (org_id, project_id) references projects (org_id, id) on delete cascade
);
create index automations_of_project on automations (project_id, id);
create index automations_due on automations (next_at) where status = 'active' and next_at is not null;
create index automations_owner on automations (org_id, owner_id);

create table automation_firings (
  id uuid primary key,
  org_id uuid not null references organizations on delete cascade,
  project_id uuid not null,
  automation_id uuid not null,
  -- an event fires an automation once
  event_id text not null,
  type text not null,
  -- {trust, by, values}; without its values once it is decided and they are large
  event jsonb not null,
  -- when it happened; of a schedule, when it was due
  at timestamptz(3) not null default clock_timestamp(),
  -- links of the chain of events, this one included
  chain integer not null default 1,
  event_task_id uuid references tasks on delete set null,
  decision text not null default 'pending'
    check (decision in ('pending', 'acting', 'queued', 'fired', 'skipped', 'refused', 'failed')),
  reason text,
  -- what it created or prompted
  task_id uuid references tasks on delete set null,
  -- while a server works on it
  claimed_until timestamptz(3),
  created_at timestamptz(3) not null default clock_timestamp(),
  decided_at timestamptz(3),
  unique (automation_id, event_id),
  foreign key (org_id, automation_id) references automations (org_id, id) on delete cascade
);
create index automation_firings_org on automation_firings (org_id);
create index automation_firings_list on automation_firings (automation_id, created_at desc, id desc);
create index automation_firings_open on automation_firings (org_id, created_at)
  where decision in ('pending', 'acting', 'queued');
create index automation_firings_fired on automation_firings (org_id, created_at) where decision = 'fired';
create index automation_firings_task on automation_firings (task_id) where task_id is not null;
create index automation_firings_event_task on automation_firings (event_task_id) where event_task_id is not null;
create index automation_firings_created_at on automation_firings (created_at);

do $$
declare
  tenant_table text;
begin
  foreach tenant_table in array array['automations', 'automation_firings'] loop
    execute format('alter table %I enable row level security', tenant_table);
    execute format('alter table %I force row level security', tenant_table);
    execute format(
      'create policy tenant on %I using (org_id between app_org_from() and app_org_to())',
      tenant_table);
  end loop;
end $$;

create trigger tell_change after insert or update or delete on automations for each row
  execute function tell_change('org_id', 'id');
create trigger tell_change after insert on automation_firings for each row
  execute function tell_change('org_id', 'automation_id');
create trigger tell_decision after update on automation_firings for each row
  when (old.decision is distinct from new.decision) execute function tell_change('org_id', 'automation_id');

-- An automation acts no more as a user who has left.
create function pause_automations_of_member() returns trigger language plpgsql as $$
begin
  update automations set status = 'paused', next_at = null, updated_at = clock_timestamp(),
    status_reason = case when service_account_id is null
      then 'Its owner is no longer a member of the organization. Save it again to own it.'
      else 'Its service account is no longer a member of the organization. Choose another one.' end
  where org_id = old.org_id and status = 'active'
    and coalesce(service_account_id, owner_id) = old.user_id;
  return null;
end $$;
create trigger pause_automations after delete on memberships for each row
  when (old.user_id is not null) execute function pause_automations_of_member();

-- Asks the automations of a project that listen to an event of the product.
create function ask_automations(
  event_id text, event_org uuid, event_project uuid, event_type text, event_task uuid, event_by text, event_values jsonb
) returns void language plpgsql as $$
begin
  insert into automation_firings (id, org_id, project_id, automation_id, event_id, type, event, event_task_id)
  select gen_random_uuid(), event_org, event_project, a.id, event_id, event_type,
    jsonb_build_object('trust', 'trusted', 'by', event_by, 'values', event_values), event_task
  from (
    -- The lock keeps an automation that is being deleted from failing the transaction.
    select id from automations
    where project_id = event_project and status = 'active' and event_types @> array[event_type]
    for key share
  ) a
  on conflict do nothing;
end $$;

create function task_of_agent(of_agent uuid) returns uuid language sql stable
  return (select task_id from task_attempts where agent_id = of_agent);

create function ask_automations_of_task() returns trigger language plpgsql as $$
begin
  perform ask_automations('task.done ' || new.id || ' ' || wire_time(new.finished_at), new.org_id, new.project_id,
    'task.done', new.id, null, '{}');
  return null;
end $$;
create trigger ask_automations after update on tasks for each row
  when (old.resolution is distinct from new.resolution and new.resolution = 'done')
  execute function ask_automations_of_task();

create function ask_automations_of_run() returns trigger language plpgsql as $$
begin
  perform ask_automations('run ' || new.id, new.org_id, coalesce(new.project_id, g.project_id), 'run.failed',
    task_of_agent(new.agent_id), g.name,
    jsonb_build_object('reason', left(coalesce(new.detail, new.status), 500)))
  from (select) here left join agents g on g.id = new.agent_id;
  return null;
end $$;
create trigger ask_automations after update on runs for each row
  when (old.status is distinct from new.status
    and new.status in ('failed', 'timed_out', 'lost', 'quota_exceeded'))
  execute function ask_automations_of_run();

create function ask_automations_of_check() returns trigger language plpgsql as $$
begin
  perform ask_automations('check ' || new.id, new.org_id, new.project_id, 'check.failed',
    task_of_agent(new.agent_id), null,
    jsonb_build_object('branch', new.branch, 'check', jsonb_build_object('name', new.name, 'url', null,
      'log', left(new.detail, 8000))));
  return null;
end $$;
create trigger ask_automations after update on commit_checks for each row
  when (old.status is distinct from new.status and new.status = 'failed')
  execute function ask_automations_of_check();

create function ask_automations_of_request() returns trigger language plpgsql as $$
begin
  perform ask_automations('merge ' || new.id, new.org_id, new.project_id, 'merge.conflicted',
    task_of_agent(new.agent_id), null,
    jsonb_build_object('branch', new.target_branch, 'reason', left(new.reason, 500)));
  return null;
end $$;
create trigger ask_automations after update on merge_requests for each row
  when (old.status is distinct from new.status and new.status = 'rejected' and new.reason ilike '%conflict%')
  execute function ask_automations_of_request();

create function ask_automations_of_merge() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' and old.state = 'done' then return null; end if;
  perform ask_automations('branch ' || new.id, new.org_id, new.project_id, 'branch.updated',
    task_of_agent(new.agent_id), null,
    jsonb_build_object('branch', new.target_branch, 'commit', new.merge_commit));
  return null;
end $$;
create trigger ask_automations after insert or update on merges for each row
  when (new.state = 'done') execute function ask_automations_of_merge();

-- Conflicts that are predicted, and branches that pushes and fetches have moved.
create function ask_automations_of_event() returns trigger language plpgsql as $$
begin
  perform ask_automations('event ' || new.id, new.org_id, g.project_id, 'merge.conflicted',
    task_of_agent(g.id), null, jsonb_build_object('branch', w.base_branch, 'reason', 'Conflicts are predicted.'))
  from agents g left join workspaces w on w.agent_id = g.id where g.id = new.subject_id;
  return null;
end $$;
create trigger ask_automations after insert on events for each row
  when (new.type = 'conflict.predicted') execute function ask_automations_of_event();

create function ask_automations_of_push() returns trigger language plpgsql as $$
begin
  perform ask_automations('push ' || new.id || ' ' || moved.branch, new.org_id, p.id,
    'branch.updated', null, new.actor ->> 'name',
    jsonb_build_object('branch', moved.branch, 'commit', moved.commit))
  from projects p cross join lateral (
    select substr(key, 12) as branch, value ->> 'to' as commit from jsonb_each(new.changes)
    where new.action = 'project.pushed' and key like 'refs/heads/%'
    union all
    select branch, null from jsonb_each(new.changes), regexp_split_to_table(value ->> 'to', ', ') branch
    where new.action = 'project.upstream_fetched' and key = 'branches'
  ) moved
  where p.id = nullif(new.target ->> 'id', '')::uuid and p.org_id = new.org_id;
  return null;
end $$;
create trigger ask_automations after insert on audit_events for each row
  when (new.action in ('project.pushed', 'project.upstream_fetched'))
  execute function ask_automations_of_push();

-- Its owner is notified of an automation that the server has paused.
create trigger queue_automation_notification after insert on events for each row
  when (new.type = 'automation.paused') execute function queue_notification();
