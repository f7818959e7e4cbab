-- Events: what happened, written in the transaction that makes it happen, so that no event is lost and none
-- reports a change that was rolled back. src/shared/event-types.ts lists the types.
create table events (
  id uuid primary key,
  -- Grows with the order of the commits of one subject, whose row or log is locked until then.
  number bigint not null unique generated always as identity,
  org_id uuid not null references organizations on delete cascade,
  type text not null,
  subject_id uuid not null,
  -- the `data` of its payload, without secrets
  data jsonb not null,
  created_at timestamptz(3) not null default clock_timestamp()
);
create index events_org on events (org_id, number);
create index events_created_at on events (created_at);

create table webhooks (
  id uuid primary key,
  org_id uuid not null references organizations on delete cascade,
  url text not null,
  -- event types, `<subject>.*` and `*`
  events text[] not null,
  description text,
  enabled boolean not null default true,
  -- why it is disabled
  disabled_reason text check (disabled_reason in ('manual', 'gone', 'failing', 'backlog')),
  disabled_at timestamptz(3),
  -- whether the owners are still to be told that the server has disabled it
  notice_due boolean not null default false,
  -- the first failed attempt since the last delivery
  failing_since timestamptz(3),
  sealed_secret bytea not null,
  -- the secret before the last rotation, which also signs for a while
  sealed_previous_secret bytea,
  previous_secret_expires_at timestamptz(3),
  created_by uuid not null,
  created_at timestamptz(3) not null default clock_timestamp(),
  updated_at timestamptz(3) not null default clock_timestamp(),
  unique (org_id, id),
  constraint webhooks_disabled check (enabled = (disabled_reason is null)),
  constraint webhooks_disabled_at check (enabled = (disabled_at is null)),
  constraint webhooks_previous_secret
    check ((sealed_previous_secret is null) = (previous_secret_expires_at is null))
);

-- Deliveries of events to webhooks: pending ones, and the log of the others.
create table webhook_deliveries (
  id uuid primary key,
  org_id uuid not null references organizations on delete cascade,
  webhook_id uuid not null,
  event_id uuid not null references events on delete cascade,
  -- The number of the event. Pending deliveries of one subject are sent in this order.
  number bigint not null,
  -- the subject of the event; of a redelivery its own id, so that it waits for no other
  subject_id uuid not null,
  is_redelivery boolean not null default false,
  status text not null default 'pending' check (status in ('pending', 'delivered', 'failed')),
  attempts integer not null default 0,
  -- When the next attempt may start. A running attempt moves it behind its timeout, so that the delivery
  -- of a process that died is tried again.
  next_attempt_at timestamptz(3) default clock_timestamp(),
  attempted_at timestamptz(3),
  duration_ms integer,
  response_status integer,
  -- the first bytes of the response
  response_body text,
  -- why the last attempt failed, as a sentence
  error text,
  created_at timestamptz(3) not null default clock_timestamp(),
  ended_at timestamptz(3),
  constraint webhook_deliveries_ended check ((status = 'pending') = (ended_at is null)),
  constraint webhook_deliveries_next check ((status = 'pending') = (next_attempt_at is not null)),
  foreign key (org_id, webhook_id) references webhooks (org_id, id) on delete cascade
);
create index webhook_deliveries_due on webhook_deliveries (webhook_id, next_attempt_at, number)
  where status = 'pending';
create index webhook_deliveries_subject on webhook_deliveries (webhook_id, subject_id, number)
  where status = 'pending';
create index webhook_deliveries_log on webhook_deliveries (webhook_id, created_at, id);
create index webhook_deliveries_failed on webhook_deliveries (webhook_id, created_at, id)
  where status = 'failed';
create index webhook_deliveries_event on webhook_deliveries (event_id);
create index webhook_deliveries_org on webhook_deliveries (org_id);

do $$
declare
  tenant_table text;
begin
  foreach tenant_table in array array['events', 'webhooks', 'webhook_deliveries'] loop
    execute format('alter table %I enable row level security', tenant_table);
    execute format('alter table %I force row level security', tenant_table);
    execute format(
      'create policy tenant on %I using (org_id between app_org_from() and app_org_to())',
      tenant_table);
  end loop;
end $$;

-- A time in the format of the API.
create function wire_time(value timestamptz) returns text language sql stable
  return to_char(value at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');

-- Records an event with a delivery for each webhook that chose it, and notifies the server processes.
create function record_event(
  event_id uuid, event_org uuid, event_type text, event_subject uuid, event_data jsonb
) returns void language plpgsql as $$
declare
  event_number bigint;
  target uuid;
begin
  insert into events (id, org_id, type, subject_id, data)
    values (event_id, event_org, event_type, event_subject, event_data)
    returning number into event_number;
  perform pg_notify('omoi_changes',
    format('events %s %s %s %s', event_org, event_id, event_type, event_subject));
  for target in
    -- The lock keeps a webhook that is being deleted from failing the transaction.
    insert into webhook_deliveries (id, org_id, webhook_id, event_id, number, subject_id)
    select gen_random_uuid(), event_org, w.id, event_id, event_number, event_subject
    from (
      select id from webhooks
      where org_id = event_org and enabled
        and events && array[event_type, split_part(event_type, '.', 1) || '.*', '*']
      for key share
    ) w
    returning webhook_id
  loop
    perform pg_notify('omoi_changes', format('webhook_deliveries %s %s', event_org, target));
  end loop;
end $$;

-- An audit event is also an event, with the same id. Runs and merge requests have events of their states.
create function record_audit_event() returns trigger language plpgsql as $$
begin
  perform record_event(new.id, new.org_id, new.action,
    coalesce(nullif(new.target ->> 'id', '')::uuid, new.org_id),
    jsonb_build_object(
      'organization_id', new.org_id,
      'subject', jsonb_build_object('type', new.target -> 'type', 'id', new.target -> 'id',
        'name', left(new.target ->> 'name', 255)),
      'actor', jsonb_build_object('type', new.actor -> 'type', 'id', new.actor -> 'id',
        'name', left(new.actor ->> 'name', 255))));
  return null;
end $$;
create trigger record_event after insert on audit_events for each row
  when (new.action not in ('run.started', 'run.stopped', 'merge_request.created',
    'merge_request.cancelled', 'merge_request.rejected'))
  execute function record_audit_event();

-- The agent of a subject, with its project.
create function event_agent(of_agent uuid) returns jsonb language sql stable
  return (select jsonb_build_object('agent_id', a.id, 'agent_name', left(a.name, 255),
      'project_id', a.project_id)
    from agents a where a.id = of_agent);

create function record_run_event() returns trigger language plpgsql as $$
begin
  perform record_event(gen_random_uuid(), new.org_id,
    'run.' || case new.status when 'running' then 'started' else new.status end, new.id,
    jsonb_build_object(
      'organization_id', new.org_id,
      'subject', jsonb_build_object('type', 'run', 'id', new.id, 'name', null),
      'actor', null,
      'run', jsonb_build_object('id', new.id, 'project_id', new.project_id, 'kind', new.kind,
          'status', new.status, 'exit_code', new.exit_code, 'detail', left(new.detail, 500),
          'session_id', new.session_id, 'created_at', wire_time(new.created_at),
          'started_at', wire_time(new.started_at), 'ended_at', wire_time(new.ended_at))
        || coalesce(event_agent(new.agent_id), '{}')));
  return null;
end $$;
create trigger record_first_event after insert on runs for each row execute function record_run_event();
create trigger record_event after update on runs for each row
  when (old.status is distinct from new.status) execute function record_run_event();

create function record_session_event() returns trigger language plpgsql as $$
begin
  perform record_event(gen_random_uuid(), new.org_id,
    'session.' || case new.status when 'starting' then 'started' else new.status end, new.id,
    jsonb_build_object(
      'organization_id', new.org_id,
      'subject', jsonb_build_object('type', 'session', 'id', new.id, 'name', left(new.title, 255)),
      'actor', null,
      'session', jsonb_build_object('id', new.id, 'preset', new.preset, 'status', new.status,
          'title', left(new.title, 255), 'detail', left(new.detail, 500), 'run_id', new.run_id,
          'created_at', wire_time(new.created_at), 'closed_at', wire_time(new.closed_at))
        || coalesce(event_agent(new.agent_id), '{}')));
  return null;
end $$;
create trigger record_first_event after insert on agent_sessions for each row
  execute function record_session_event();
create trigger record_event after update on agent_sessions for each row
  when (old.status is distinct from new.status and new.status not in ('starting', 'working'))
  execute function record_session_event();

create function record_merge_request_event() returns trigger language plpgsql as $$
begin
  perform record_event(gen_random_uuid(), new.org_id,
    'merge_request.' || case tg_op when 'INSERT' then 'created' else new.status end, new.id,
    jsonb_build_object(
      'organization_id', new.org_id,
      'subject', jsonb_build_object('type', 'merge_request', 'id', new.id,
        'name', left(concat_ws(' → ', new.source_branch, new.target_branch), 255)),
      'actor', null,
      'merge_request', jsonb_build_object('id', new.id, 'kind', new.kind, 'status', new.status,
          'source_branch', left(new.source_branch, 255), 'target_branch', left(new.target_branch, 255),
          'merge_id', new.merge_id, 'reason', left(new.reason, 500),
          'created_at', wire_time(new.created_at), 'ended_at', wire_time(new.ended_at))
        || coalesce(event_agent(new.agent_id), '{}')));
  return null;
end $$;
create trigger record_first_event after insert on merge_requests for each row
  execute function record_merge_request_event();
create trigger record_event after update on merge_requests for each row
  when (old.status is distinct from new.status
    and new.status in ('waiting_for_approval', 'merged', 'rejected', 'cancelled'))
  execute function record_merge_request_event();
