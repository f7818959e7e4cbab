-- Rows without an organization (system roles) are written where work crosses organizations: by migrations
-- and at the start. "org_id between …" is null for them, which a check takes for no; superusers, whom no
-- policy binds, never noticed.
alter policy tenant on roles
  with check (
    case when org_id is null then app_is_system()
    else org_id between app_org_from() and app_org_to() end);
