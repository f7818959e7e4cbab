-- Requests of programs for an API key, which a person approves in a browser (RFC 8628). A row ends when the key is
-- fetched, or after its expiry.
create table device_logins (
  id uuid primary key,
  -- HMAC-SHA-256 under a secret outside of the database; the codes are stored nowhere
  device_code_hash bytea not null constraint device_logins_device_code_key unique,
  user_code_hash bytea not null constraint device_logins_user_code_key unique,
  -- as the program named itself
  client_name text,
  ip text not null,
  user_agent text,
  created_at timestamptz(3) not null default now(),
  expires_at timestamptz(3) not null,
  -- seconds between two polls; grows if the program polls faster
  poll_interval integer not null,
  polled_at timestamptz(3),
  status text not null default 'pending' check (status in ('pending', 'approved', 'denied')),
  -- the person who answered, and the session; an approval ends with it
  user_id uuid references users on delete cascade,
  session_id uuid references sessions on delete cascade,
  key_days integer,
  check ((status = 'pending') = (user_id is null)),
  check ((status = 'approved') = (session_id is not null and key_days is not null))
);
create index device_logins_age on device_logins (expires_at);
create index device_logins_user on device_logins (user_id);
create index device_logins_session on device_logins (session_id);

-- They belong to a person: no organization's transaction sees any.
alter table device_logins enable row level security;
alter table device_logins force row level security;
create policy system_only on device_logins using (app_is_system());
