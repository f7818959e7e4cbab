-- Runs that reach only the hosts of an allow-list, through a proxy of their own.
alter table runs drop constraint runs_network_check;
alter table runs add constraint runs_network_check
  check (network in ('none', 'restricted', 'full'));
alter table runs add column allowed_hosts text[];
-- All connections, also those beyond the listed ones.
alter table runs add column egress_allowed bigint not null default 0;
alter table runs add column egress_denied bigint not null default 0;

-- The connections of a run, up to a limit.
create table run_egress (
  id uuid primary key,
  org_id uuid not null references organizations on delete cascade,
  run_id uuid not null references runs on delete cascade,
  host text not null,
  port integer not null,
  decision text not null check (decision in ('allowed', 'denied', 'failed')),
  -- why it was denied or failed, as a clause
  reason text,
  at timestamptz(3) not null,
  bytes_sent bigint not null,
  bytes_received bigint not null
);
create index run_egress_run on run_egress (run_id, id);
create index run_egress_org on run_egress (org_id);

alter table run_egress enable row level security;
alter table run_egress force row level security;
create policy tenant on run_egress using (org_id between app_org_from() and app_org_to());
