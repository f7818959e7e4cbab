-- The uid that an agent's commands run as, of the configured range; null until the first run, and once the
-- folder is gone.
alter table workspaces add column run_uid integer;
create unique index workspaces_run_uid on workspaces (run_uid) where run_uid is not null;
