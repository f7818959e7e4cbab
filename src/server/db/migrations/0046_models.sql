-- Keys of model providers, which never enter a run, and what its calls through the gateway used.
alter table secrets drop constraint secrets_kind_check;
alter table secrets add constraint secrets_kind_check check (kind in ('variable', 'model'));
-- of a model secret
alter table secrets add column provider text;
-- in place of the provider's own
alter table secrets add column base_url text;
alter table secrets add constraint secrets_provider_check
  check ((kind = 'model') = (provider is not null));
create unique index secrets_provider on secrets (owner_id, provider);

-- Monthly budgets; null for none.
alter table organizations
  add column max_model_cost_usd double precision check (max_model_cost_usd >= 0),
  add column max_model_tokens bigint check (max_model_tokens >= 0);
alter table projects
  add column max_model_cost_usd double precision check (max_model_cost_usd >= 0),
  add column max_model_tokens bigint check (max_model_tokens >= 0);
alter table agents
  add column max_model_cost_usd double precision check (max_model_cost_usd >= 0),
  add column max_model_tokens bigint check (max_model_tokens >= 0);

-- The calls of a run to a model on a UTC day.
create table model_usage (
  org_id uuid not null references organizations on delete cascade,
  run_id uuid not null references runs on delete cascade,
  provider text not null,
  model text not null,
  day date not null,
  requests bigint not null,
  input_tokens bigint not null,
  output_tokens bigint not null,
  cache_read_tokens bigint not null,
  cache_write_tokens bigint not null,
  -- of the requests with a price, in billionths of a US dollar
  cost_nanousd bigint not null,
  unpriced_requests bigint not null,
  primary key (run_id, provider, model, day)
);
create index model_usage_org on model_usage (org_id, day);

-- What an organization, a project or an agent has used in a UTC month, on which budgets depend.
create table model_spending (
  org_id uuid not null references organizations on delete cascade,
  -- an organization, a project or an agent
  owner_id uuid not null,
  month date not null,
  tokens bigint not null,
  cost_nanousd bigint not null,
  primary key (owner_id, month)
);
create index model_spending_org on model_spending (org_id);

alter table model_usage enable row level security;
alter table model_usage force row level security;
create policy tenant on model_usage using (org_id between app_org_from() and app_org_to());
alter table model_spending enable row level security;
alter table model_spending force row level security;
create policy tenant on model_spending using (org_id between app_org_from() and app_org_to());
