-- Proofs of who somebody is besides the password: codes of an authenticator app, recovery codes, passkeys.

create table totp_secrets (
  user_id uuid primary key references users on delete cascade,
  -- AES-256-GCM under a key outside the database, bound to the person
  sealed_secret bytea not null,
  -- null until a first code has shown that the authenticator app has it
  confirmed_at timestamptz(3),
  -- the newest time step whose code was accepted: no code of it or of an earlier one is accepted again
  last_step bigint not null default 0,
  created_at timestamptz(3) not null default now()
);

create table recovery_codes (
  user_id uuid not null references users on delete cascade,
  -- HMAC-SHA-256 under a secret outside the database; the codes themselves are nowhere
  code_hash bytea not null,
  used_at timestamptz(3),
  primary key (user_id, code_hash)
);

create table passkeys (
  id uuid primary key,
  user_id uuid not null references users on delete cascade,
  name text not null,
  credential_id text not null constraint passkeys_credential_key unique,
  public_key bytea not null,
  -- how often the authenticator says it has signed; zero where it does not count
  counter bigint not null,
  transports text[] not null,
  -- whether the passkey is synchronised, and so outlives the device
  backed_up boolean not null,
  created_at timestamptz(3) not null default now(),
  last_used_at timestamptz(3)
);
create index passkeys_user on passkeys (user_id, created_at, id);

-- Signed challenges that were answered: each works once. They expire by themselves, the row after them.
create table used_challenges (
  id uuid primary key,
  expires_at timestamptz(3) not null
);
create index used_challenges_age on used_challenges (expires_at);

-- They belong to a person: no organization's transaction sees any.
do $$
declare
  personal_table text;
begin
  foreach personal_table in array array[
    'totp_secrets', 'recovery_codes', 'passkeys', 'used_challenges'
  ] loop
    execute format('alter table %I enable row level security', personal_table);
    execute format('alter table %I force row level security', personal_table);
    execute format('create policy system_only on %I using (app_is_system())', personal_table);
  end loop;
end $$;
