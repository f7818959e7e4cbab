-- Which files of a project are merged by a driver instead of by lines: a list of {pattern, driver}.
alter table projects add column merge_drivers jsonb not null default '[]';

-- The drivers that a merge was computed with, to compute it again. Null for merges before this migration,
-- which took merge attributes from the target's .gitattributes.
alter table merges add column drivers jsonb;
-- The files of the merge that a driver applied to, with the result.
alter table merges add column driver_files jsonb not null default '[]';

-- The conflict radar predicts with the project's drivers: other drivers make its results void.
create function reset_radar() returns trigger language plpgsql as $$
begin
  delete from radar_pairs where project_id = new.id;
  delete from radar_scans where project_id = new.id;
  perform pg_notify('omoi_changes', format('radar_due %s %s', new.org_id, new.id));
  return null;
end $$;
create trigger reset_radar after update on projects for each row
  when (old.merge_drivers is distinct from new.merge_drivers)
  execute function reset_radar();
