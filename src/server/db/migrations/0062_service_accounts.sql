-- Service accounts: members of one organization that are neither people nor agents. An account is a user without an
-- email address, so that no way to sign in finds it, and acts by API keys that belong to the organization.
alter table users
  alter column email drop not null,
  add column kind text not null default 'person' check (kind in ('person', 'service')),
  add constraint users_email_of_person check ((kind = 'person') = (email is not null)),
  add constraint users_service_account check (
    kind = 'person'
    or (full_name is not null and not is_super_admin and not is_verified and last_login_at is null));

create table service_accounts (
  id uuid primary key references users on delete cascade,
  org_id uuid not null references organizations on delete cascade,
  -- users.full_name is a copy of it, which is shown wherever a user is named
  name text not null,
  description text,
  created_by uuid not null references users,
  created_at timestamptz(3) not null default clock_timestamp(),
  updated_at timestamptz(3) not null default clock_timestamp(),
  -- The row of a deleted account stays, because logs name it.
  deleted_at timestamptz(3)
);
create unique index service_accounts_org_name_key on service_accounts (org_id, lower(name))
  where deleted_at is null;
create index service_accounts_created_by on service_accounts (created_by);

alter table service_accounts enable row level security;
alter table service_accounts force row level security;
create policy tenant on service_accounts using (org_id between app_org_from() and app_org_to());

-- The person or the account that made a key; of an agent's key also its user.
alter table api_keys add column created_by uuid references users;
update api_keys set created_by = user_id;
alter table api_keys alter column created_by set not null;
create index api_keys_created_by on api_keys (created_by);

-- Whether a user made a key with which a service account could act at a time, also through keys of other accounts that
-- made it. A transaction of one organization sees no keys.
create function made_key_of(maker uuid, account uuid, at timestamptz) returns boolean language plpgsql as $$
declare
  outside text := coalesce(current_setting('app.system', true), '');
  found boolean;
begin
  perform set_config('app.system', 'on', true);
  with recursive makers as (
    select k.created_by as id from api_keys k
    where k.user_id = account and k.created_at <= at
      and (k.revoked_at is null or k.revoked_at > at) and (k.expires_at is null or k.expires_at > at)
    union
    select k.created_by from makers m join service_accounts s on s.id = m.id
    join api_keys k on k.user_id = s.id and k.created_at <= at
  )
  select exists (select from makers where id = maker) into found;
  perform set_config('app.system', outside, true);
  return found;
end $$;

-- A service account stays one. It is a member of its organization alone, never as the owner, and its keys act there
-- alone.
create function keep_user_kind() returns trigger language plpgsql as $$
begin
  raise exception 'the kind of a user does not change' using errcode = 'check_violation';
end $$;
create trigger keep_kind before update of kind on users for each row
  when (old.kind is distinct from new.kind) execute function keep_user_kind();

create function keep_service_member() returns trigger language plpgsql as $$
begin
  if exists (select from users u where u.id = new.user_id and u.kind = 'service') and (
    not exists (select from service_accounts s where s.id = new.user_id and s.org_id = new.org_id)
    or exists (select from roles r where r.id = new.role_id and r.org_id is null and r.name = 'owner'))
  then
    raise exception 'a service account is a member of its organization alone, and never its owner'
      using errcode = 'check_violation', constraint = 'memberships_service_account';
  end if;
  return new;
end $$;
create trigger keep_service_member before insert or update on memberships for each row
  when (new.user_id is not null) execute function keep_service_member();

create function keep_service_key() returns trigger language plpgsql as $$
begin
  if exists (select from users u where u.id = new.user_id and u.kind = 'service') and (
    new.agent_id is not null
    or not exists (select from service_accounts s where s.id = new.user_id and s.org_id = new.org_id)
    or exists (select from unnest(new.scopes) scope where not starts_with(scope, 'org:' || new.org_id || ':')))
  then
    raise exception 'a key of a service account acts in its organization alone'
      using errcode = 'check_violation', constraint = 'api_keys_service_account';
  end if;
  return new;
end $$;
create trigger keep_service_key before insert or update of user_id, org_id, agent_id, scopes on api_keys
  for each row execute function keep_service_key();

-- No row of a way to sign in names a service account.
create function refuse_service_account() returns trigger language plpgsql as $$
begin
  if exists (select from users u where u.id = new.user_id and u.kind = 'service') then
    raise exception 'a service account cannot sign in' using errcode = 'check_violation';
  end if;
  return new;
end $$;
do $$
declare
  of_people text;
begin
  foreach of_people in array array[
    'accounts', 'sessions', 'totp_secrets', 'recovery_codes', 'passkeys', 'email_tokens', 'device_logins'
  ] loop
    execute format('create trigger refuse_service_account before insert or update of user_id on %I
      for each row when (new.user_id is not null) execute function refuse_service_account()', of_people);
  end loop;
end $$;
