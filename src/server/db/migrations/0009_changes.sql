-- Tells every server process of changes, when they commit: "<table> <organization or -> <id or ->" on
-- the channel omoi_changes. The processes' caches drop what a change makes stale, and pages that are
-- open hear of it. What is written often and read by nobody from a cache (last uses, heartbeats,
-- progress below a percent) is left out by the conditions.
create function tell_change() returns trigger language plpgsql as $$
declare
  changed jsonb := to_jsonb(coalesce(new, old));
begin
  perform pg_notify('omoi_changes', format('%s %s %s', tg_table_name,
    coalesce(changed ->> tg_argv[0], '-'), coalesce(changed ->> tg_argv[1], '-')));
  return null;
end $$;

create trigger tell_change after update on api_keys for each row
  when ((old.revoked_at, old.expires_at, old.scopes, old.name, old.description) is distinct from
    (new.revoked_at, new.expires_at, new.scopes, new.name, new.description))
  execute function tell_change('org_id', 'key_hash');
create trigger tell_removal after delete on api_keys for each row
  execute function tell_change('org_id', 'key_hash');

create trigger tell_change after update on sessions for each row
  when ((old.revoked_at, old.generation) is distinct from (new.revoked_at, new.generation))
  execute function tell_change('none', 'id');
create trigger tell_removal after delete on sessions for each row
  execute function tell_change('none', 'id');

create trigger tell_change after update on users for each row
  when ((old.is_active, old.email, old.full_name) is distinct from
    (new.is_active, new.email, new.full_name))
  execute function tell_change('none', 'id');
create trigger tell_removal after delete on users for each row
  execute function tell_change('none', 'id');

create trigger tell_change after insert or update or delete on organizations for each row
  execute function tell_change('id', 'id');
create trigger tell_change after insert or update or delete on memberships for each row
  execute function tell_change('org_id', 'user_id');
create trigger tell_change after insert or update or delete on roles for each row
  execute function tell_change('org_id', 'id');

create trigger tell_change after insert or update or delete on projects for each row
  execute function tell_change('org_id', 'id');
create trigger tell_change after insert or update or delete on agents for each row
  execute function tell_change('org_id', 'id');
create trigger tell_start after insert or delete on runs for each row
  execute function tell_change('org_id', 'agent_id');
create trigger tell_change after update on runs for each row
  when (old.status is distinct from new.status) execute function tell_change('org_id', 'agent_id');
create trigger tell_change after insert or update or delete on workspaces for each row
  execute function tell_change('org_id', 'agent_id');
create trigger tell_change after insert or update on workspace_commits for each row
  when (new.state = 'recorded') execute function tell_change('org_id', 'agent_id');
create trigger tell_change after insert or update on merges for each row
  when (new.state = 'done') execute function tell_change('org_id', 'agent_id');
create trigger tell_change after insert on audit_events for each row
  execute function tell_change('org_id', 'id');
