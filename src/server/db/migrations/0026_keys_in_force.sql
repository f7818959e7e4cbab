-- A person's key as it is at this moment, for a transaction of one organization, in which keys are not
-- visible: no row where it was revoked or has expired, else its scopes and the organizations that shut
-- it out.
create function key_in_force(key uuid, person uuid)
returns table (scopes text[], shut_out_of text[])
language plpgsql as $$
declare
  outside text := coalesce(current_setting('app.system', true), '');
begin
  -- A setting of the function itself is a superuser's to give.
  perform set_config('app.system', 'on', true);
  return query select k.scopes, k.shut_out_of::text[] from api_keys k
    where k.id = key and k.user_id = person and k.revoked_at is null
      and (k.expires_at is null or k.expires_at > now());
  perform set_config('app.system', outside, true);
end $$;
