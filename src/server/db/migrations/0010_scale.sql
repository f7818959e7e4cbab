-- The policies of organizations, in a form that an index serves: with "or" every query that leaves the
-- organization to the policy reads all rows of all organizations. Now a row is visible where its
-- organization lies between two ids, which are one and the same organization, or the lowest and the
-- highest id there can be on a connection that works across organizations. With neither set both are
-- null, and nothing is visible.
create function app_org_from() returns uuid language sql stable as
  $$ select case when app_is_system() then '00000000-0000-0000-0000-000000000000'::uuid
    else app_org_id() end $$;
create function app_org_to() returns uuid language sql stable as
  $$ select case when app_is_system() then 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid
    else app_org_id() end $$;

do $$
declare
  tenant_table text;
begin
  for tenant_table in
    select tablename from pg_policies
    where schemaname = current_schema() and policyname = 'tenant'
      and tablename not in ('organizations', 'roles')
  loop
    execute format(
      'alter policy tenant on %I using (org_id between app_org_from() and app_org_to())',
      tenant_table);
  end loop;
end $$;

alter policy tenant on organizations using (id between app_org_from() and app_org_to());
alter policy tenant on roles
  using (org_id is null or org_id between app_org_from() and app_org_to())
  with check (org_id between app_org_from() and app_org_to());

-- For slugs that begin alike, in whatever language the database sorts.
create index organization_slugs_prefix on organization_slugs (slug collate "C");

-- A person's organizations and roles from the index alone: their rows lie all over the table.
drop index memberships_user;
create index memberships_user on memberships (user_id, org_id) include (role_id);
