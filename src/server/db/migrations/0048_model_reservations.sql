-- What a model call under way may use, so that parallel calls do not exceed a budget together.
create table model_reservations (
  id uuid primary key,
  org_id uuid not null references organizations on delete cascade,
  project_id uuid not null,
  agent_id uuid not null,
  tokens bigint not null,
  -- in billionths of a US dollar
  cost_nanousd bigint not null,
  -- renewed by the process of the call
  expires_at timestamptz not null
);
create index model_reservations_org on model_reservations (org_id);

alter table model_reservations enable row level security;
alter table model_reservations force row level security;
create policy tenant on model_reservations using (org_id between app_org_from() and app_org_to());
