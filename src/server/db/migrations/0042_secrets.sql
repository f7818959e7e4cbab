-- Secrets of organizations and projects: variables of runs, encrypted with the installation's secret.
create table secrets (
  org_id uuid not null references organizations on delete cascade,
  -- null for a secret of the organization
  project_id uuid,
  owner_id uuid not null generated always as (coalesce(project_id, org_id)) stored,
  name text not null,
  kind text not null check (kind in ('variable')),
  sealed bytea not null,
  set_by uuid not null,
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3) not null default now(),
  primary key (owner_id, name),
  foreign key (org_id, project_id) references projects (org_id, id) on delete cascade
);
create index secrets_org on secrets (org_id);

alter table secrets enable row level security;
alter table secrets force row level security;
create policy tenant on secrets using (org_id between app_org_from() and app_org_to());

create trigger tell_change after insert or update or delete on secrets for each row
  execute function tell_change('org_id', 'owner_id');
