-- Second opinions: reviews of changes by agents, asked for by people or required by protected branches.

create table opinions (
  id uuid primary key,
  org_id uuid not null references organizations on delete cascade,
  project_id uuid not null,
  task_id uuid not null references tasks on delete cascade,
  attempt_id uuid not null references task_attempts on delete cascade,
  -- the agent whose work is reviewed; the runs of the opinion count as its costs
  agent_id uuid not null references agents on delete cascade,
  preset text not null,
  model text,
  prompt text not null,
  -- whether a protected branch asked for it
  required boolean not null,
  -- the reviewed commit, and the merge base with the target branch then
  commit_sha text not null,
  base_sha text not null,
  -- the same for the same change on another base
  patch_id text,
  status text not null default 'queued' check (status in ('queued', 'running', 'done', 'failed', 'cancelled')),
  detail text,
  run_id uuid,
  -- starts whose servers died
  attempts integer not null default 0,
  review_id uuid references reviews on delete cascade,
  -- {by, reason, at}
  dismissed jsonb,
  requested_by jsonb,
  -- the request on whose behalf it runs
  origin jsonb not null,
  created_at timestamptz(3) not null default clock_timestamp(),
  started_at timestamptz(3),
  ended_at timestamptz(3),
  foreign key (org_id, project_id) references projects (org_id, id) on delete cascade,
  constraint opinions_ended check ((status in ('queued', 'running')) = (ended_at is null)),
  constraint opinions_reviewed check ((status = 'done') = (review_id is not null)),
  unique (org_id, id)
);
create index opinions_of_task on opinions (task_id, id);
create index opinions_of_attempt on opinions (attempt_id);
create index opinions_of_agent on opinions (agent_id);
create index opinions_of_project on opinions (org_id, project_id);
create index opinions_open on opinions (created_at) where ended_at is null;
create index opinions_started on opinions (org_id, started_at);
create unique index opinions_run on opinions (run_id) where run_id is not null;
create index opinions_review on opinions (review_id) where review_id is not null;

alter table opinions enable row level security;
alter table opinions force row level security;
create policy tenant on opinions using (org_id between app_org_from() and app_org_to());

-- Events name the task.
create trigger tell_change after insert or update or delete on opinions for each row
  execute function tell_change('org_id', 'task_id');

-- An opinion is a run beside those of the agent whose work it reads.
alter table runs drop constraint runs_kind_check;
alter table runs add constraint runs_kind_check
  check (kind in ('managed', 'leased', 'check', 'build', 'review'));
drop index runs_one_per_agent;
create unique index runs_one_per_agent on runs (agent_id)
  where status = 'running' and kind not in ('check', 'review');

-- Neither notifies as a failed run of an agent does.
drop trigger queue_notification on events;
create trigger queue_notification after insert on events for each row
  when (new.type in ('run.failed', 'run.timed_out', 'run.lost', 'run.quota_exceeded', 'conflict.predicted',
    'merge_request.rejected', 'limit.near', 'limit.reached', 'api_key.expiring',
    'session.waiting_for_permission', 'merge_request.waiting_for_approval')
    and coalesce(new.data #>> '{run,kind}', '') not in ('check', 'review'))
  execute function queue_notification();

-- The change of a request, which second opinions are about.
alter table merge_requests add column patch_id text;
alter table merge_requests add column base_commit text;

-- Rules of before require no second opinion.
update projects set protected_branches = (
  select coalesce(jsonb_agg('{"reviews": []}'::jsonb || entry order by place), '[]')
  from jsonb_array_elements(protected_branches) with ordinality as entries (entry, place))
where protected_branches is not null;
update protection_changes set protected_branches = (
  select coalesce(jsonb_agg('{"reviews": []}'::jsonb || entry order by place), '[]')
  from jsonb_array_elements(protected_branches) with ordinality as entries (entry, place))
where protected_branches is not null;
