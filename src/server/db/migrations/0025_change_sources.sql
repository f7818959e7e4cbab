-- The caches declare every row that decides an answer, so a change of any of these rows is told, by hand
-- or by the server.

-- A row that moves to another organization or person concerns the old one too.
create or replace function tell_change() returns trigger language plpgsql as $$
declare
  version jsonb;
begin
  -- PostgreSQL sends equal notifications of one transaction once.
  foreach version in array array[to_jsonb(old), to_jsonb(new)] loop
    continue when version is null;
    perform pg_notify('omoi_changes', format('%s %s %s', tg_table_name,
      coalesce(version ->> tg_argv[0], '-'), coalesce(version ->> tg_argv[1], '-')));
  end loop;
  return null;
end $$;

-- Paths name organizations by slugs.
create trigger tell_change after insert or update or delete on organization_slugs for each row
  execute function tell_change('org_id', 'org_id');

drop trigger tell_change on sessions;
create trigger tell_change after update on sessions for each row
  when ((old.revoked_at, old.generation, old.expires_at, old.user_id) is distinct from
    (new.revoked_at, new.generation, new.expires_at, new.user_id))
  execute function tell_change('none', 'id');

drop trigger tell_change on api_keys;
create trigger tell_change after update on api_keys for each row
  when ((old.revoked_at, old.expires_at, old.scopes, old.name, old.description, old.allowed_ips,
      old.rate_limit_per_minute, old.shut_out_of, old.org_id, old.user_id, old.agent_id, old.key_hash)
    is distinct from
    (new.revoked_at, new.expires_at, new.scopes, new.name, new.description, new.allowed_ips,
      new.rate_limit_per_minute, new.shut_out_of, new.org_id, new.user_id, new.agent_id, new.key_hash))
  execute function tell_change('org_id', 'key_hash');
