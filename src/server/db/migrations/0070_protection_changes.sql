-- Changes of protected branches and checks that wait for approvals, because they weaken a rule that asks for them.

create table protection_changes (
  id uuid primary key,
  org_id uuid not null references organizations on delete cascade,
  project_id uuid not null,
  -- the person, with {type, id, name} at that time
  proposer_id uuid not null,
  proposed_by jsonb not null,
  origin jsonb not null,
  -- null if they stay as they are
  protected_branches jsonb,
  checks jsonb not null,
  -- what the weakened rules ask for
  asked_approvals integer not null,
  -- at most the number of people who could approve, when that was last judged
  required_approvals integer not null,
  status text not null check (status in ('pending', 'applied', 'withdrawn', 'superseded')),
  reason text,
  created_at timestamptz(3) not null default clock_timestamp(),
  ended_at timestamptz(3),
  constraint protection_changes_ended check ((status = 'pending') = (ended_at is null)),
  foreign key (org_id, project_id) references projects (org_id, id) on delete cascade
);
create unique index protection_changes_one_pending on protection_changes (project_id)
  where ended_at is null;
create index protection_changes_project on protection_changes (project_id, id);

create table protection_change_approvals (
  change_id uuid not null references protection_changes on delete cascade,
  approver_id uuid not null,
  org_id uuid not null references organizations on delete cascade,
  -- {type, id, name} at that time
  approver jsonb not null,
  approved_at timestamptz(3) not null default now(),
  primary key (change_id, approver_id)
);

do $$
declare
  tenant_table text;
begin
  foreach tenant_table in array array['protection_changes', 'protection_change_approvals'] loop
    execute format('alter table %I enable row level security', tenant_table);
    execute format('alter table %I force row level security', tenant_table);
    execute format(
      'create policy tenant on %I using (org_id between app_org_from() and app_org_to())',
      tenant_table);
  end loop;
end $$;

create trigger tell_change after insert or update on protection_changes for each row
  execute function tell_change('org_id', 'project_id');
