-- Notifications: what needs a person, by email and to a webhook of their own. The recipients of an event are found
-- after its transaction; the row that waits for that is written in it, so that no notification is lost.
-- src/shared/notification-kinds.ts lists the kinds with their events.
create table notification_queue (
  event_id uuid primary key references events on delete cascade,
  org_id uuid not null references organizations on delete cascade
);
create index notification_queue_org on notification_queue (org_id);
alter table notification_queue enable row level security;
alter table notification_queue force row level security;
create policy tenant on notification_queue using (org_id between app_org_from() and app_org_to());

create function queue_notification() returns trigger language plpgsql as $$
begin
  insert into notification_queue (event_id, org_id) values (new.id, new.org_id);
  return null;
end $$;
create trigger queue_notification after insert on events for each row
  when (new.type in ('run.failed', 'run.timed_out', 'run.lost', 'run.quota_exceeded', 'conflict.predicted',
    'merge_request.rejected', 'limit.near', 'limit.reached', 'api_key.expiring',
    'session.waiting_for_permission', 'merge_request.waiting_for_approval')
    -- A failed check rejects its merge request.
    and coalesce(new.data #>> '{run,kind}', '') <> 'check')
  execute function queue_notification();

-- What a person has chosen; kinds without a row have their defaults.
create table notification_choices (
  user_id uuid not null references users on delete cascade,
  -- null: every organization without rows of its own
  org_id uuid references organizations on delete cascade,
  kind text not null,
  email boolean not null,
  webhook boolean not null,
  scope text not null check (scope in ('own', 'all')),
  constraint notification_choices_key unique nulls not distinct (user_id, org_id, kind)
);
create index notification_choices_org on notification_choices (org_id);
create index notification_choices_all on notification_choices (kind, user_id) where scope = 'all';

-- A person's webhook.
create table notification_webhooks (
  id uuid primary key,
  user_id uuid not null unique references users on delete cascade,
  url text not null,
  enabled boolean not null default true,
  disabled_reason text check (disabled_reason in ('gone', 'failing', 'backlog')),
  disabled_at timestamptz(3),
  -- whether the person is still to be notified that the server has disabled it
  notice_due boolean not null default false,
  -- the first failed attempt since the last delivery
  failing_since timestamptz(3),
  sealed_secret bytea not null,
  created_at timestamptz(3) not null default clock_timestamp(),
  updated_at timestamptz(3) not null default clock_timestamp(),
  constraint notification_webhooks_disabled
    check (enabled = (disabled_reason is null) and enabled = (disabled_at is null))
);
create index notification_webhooks_notice on notification_webhooks (disabled_at) where notice_due;

-- Notifications of persons, one for each key.
create table notifications (
  id uuid primary key,
  user_id uuid not null references users on delete cascade,
  -- null for what is about the person alone, such as a key
  org_id uuid references organizations on delete cascade,
  -- null for a test
  kind text,
  -- the event, or the subject and its threshold
  key text not null,
  -- the event's type, data and time
  type text not null,
  data jsonb not null,
  happened_at timestamptz(3) not null,
  created_at timestamptz(3) not null default clock_timestamp(),
  constraint notifications_key unique (user_id, key)
);
create index notifications_created_at on notifications (created_at);
create index notifications_org on notifications (org_id);

create table notification_deliveries (
  id uuid primary key,
  notification_id uuid not null references notifications on delete cascade,
  user_id uuid not null references users on delete cascade,
  channel text not null check (channel in ('email', 'webhook')),
  webhook_id uuid references notification_webhooks on delete cascade,
  -- skipped: when it was to be sent, the person had no access to it any more, or it was over
  status text not null default 'pending' check (status in ('pending', 'delivered', 'failed', 'skipped')),
  -- the email that it is part of
  digest_id uuid,
  attempts integer not null default 0,
  -- When the next attempt may start. A running attempt moves it behind its timeout.
  next_attempt_at timestamptz(3) default clock_timestamp(),
  attempted_at timestamptz(3),
  duration_ms integer,
  response_status integer,
  response_body text,
  error text,
  created_at timestamptz(3) not null default clock_timestamp(),
  ended_at timestamptz(3),
  constraint notification_deliveries_webhook check ((channel = 'webhook') = (webhook_id is not null)),
  constraint notification_deliveries_ended check ((status = 'pending') = (ended_at is null)),
  constraint notification_deliveries_next check ((status = 'pending') = (next_attempt_at is not null))
);
create index notification_deliveries_emails on notification_deliveries (next_attempt_at)
  where status = 'pending' and channel = 'email';
create index notification_deliveries_person on notification_deliveries (user_id)
  where status = 'pending' and channel = 'email';
create index notification_deliveries_due on notification_deliveries (webhook_id, next_attempt_at)
  where status = 'pending' and channel = 'webhook';
create index notification_deliveries_digest on notification_deliveries (digest_id)
  where digest_id is not null;
create index notification_deliveries_log on notification_deliveries (user_id, created_at, id);
create index notification_deliveries_notification on notification_deliveries (notification_id);
create index notification_deliveries_webhook on notification_deliveries (webhook_id)
  where webhook_id is not null;

-- They belong to a person: no organization's transaction sees any.
do $$
declare
  personal_table text;
begin
  foreach personal_table in array array['notification_choices', 'notification_webhooks', 'notifications',
    'notification_deliveries'] loop
    execute format('alter table %I enable row level security', personal_table);
    execute format('alter table %I force row level security', personal_table);
    execute format('create policy system_only on %I using (app_is_system())', personal_table);
  end loop;
end $$;

-- How far a limit is used up, in the steps that have events.
create table limit_states (
  org_id uuid not null references organizations on delete cascade,
  -- an organization, a project or an agent
  owner_id uuid not null,
  name text not null check (name in ('runtime_hours', 'concurrent_agents', 'model_cost', 'model_tokens')),
  -- 80 and 100 percent, or 0 below
  level integer not null check (level in (0, 80, 100)),
  -- the last event
  recorded_at timestamptz(3),
  primary key (owner_id, name)
);
create index limit_states_org on limit_states (org_id);
create index limit_states_raised on limit_states (org_id) where level > 0;
alter table limit_states enable row level security;
alter table limit_states force row level security;
create policy tenant on limit_states using (org_id between app_org_from() and app_org_to());

create index organizations_budgets on organizations (id)
  where max_model_cost_usd is not null or max_model_tokens is not null;
create index projects_budgets on projects (id)
  where max_model_cost_usd is not null or max_model_tokens is not null;
create index agents_budgets on agents (id)
  where max_model_cost_usd is not null or max_model_tokens is not null;

-- The second warning of a key, a day before its end.
alter table api_keys add column expiry_last_warned_at timestamptz(3);
create index api_keys_last_warning on api_keys (expires_at)
  where revoked_at is null and expiry_last_warned_at is null;
