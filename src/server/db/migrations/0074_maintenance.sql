-- The operator's message while nothing may be changed, and the time of its beginning; null outside of maintenance.
alter table installation
  add column maintenance_message text,
  add column maintenance_since timestamptz(3),
  add constraint installation_maintenance
    check ((maintenance_message is null) = (maintenance_since is null));

-- Each process answers from a cache whether it may make changes.
create trigger tell_change after update on installation for each row
  when ((old.maintenance_message, old.maintenance_since) is distinct from
    (new.maintenance_message, new.maintenance_since))
  execute function tell_change('none', 'none');
