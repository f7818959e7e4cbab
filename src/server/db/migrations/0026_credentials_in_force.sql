-- A credential as it is at this moment, for a transaction of one organization, in which keys are not
-- visible: no row where it was revoked, has expired or belongs to an inactive person, else its scopes and
-- the organizations that shut it out. kind: session, key, run (the token of a run), or person for work
-- on behalf of a person whose credential is not known any more.
create function credential_in_force(kind text, credential uuid, person uuid)
returns table (scopes text[], shut_out_of text[])
language plpgsql as $$
declare
  outside text := coalesce(current_setting('app.system', true), '');
begin
  -- A setting of the function itself is a superuser's to give.
  perform set_config('app.system', 'on', true);
  if kind = 'session' then
    select '{*:*}'::text[], '{}'::text[] into scopes, shut_out_of from sessions s
      where s.id = credential and s.user_id = person and s.revoked_at is null and s.expires_at > now();
  elsif kind = 'key' then
    select k.scopes, k.shut_out_of::text[] into scopes, shut_out_of
      from api_keys k left join agents a on a.id = k.agent_id
      where k.id = credential and k.user_id = person and k.revoked_at is null
        and (k.expires_at is null or k.expires_at > now()) and a.terminated_at is null;
  elsif kind = 'run' then
    select array['org:' || r.org_id || ':*'], '{}'::text[] into scopes, shut_out_of from runs r
      where r.id = credential and r.token_hash is not null and r.status = 'running'
        and r.exited_at is null and r.lease_expires_at > now();
  elsif kind = 'person' then
    scopes := '{*:*}';
    shut_out_of := '{}';
  end if;
  if exists (select from users u where u.id = person and u.is_active) and scopes is not null then
    return next;
  end if;
  perform set_config('app.system', outside, true);
end $$;
