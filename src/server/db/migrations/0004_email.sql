-- One-time links that were sent by mail: to confirm an address, or to choose a new password. A person
-- has one of each kind; a new one replaces the old one.
create table email_tokens (
  user_id uuid not null references users on delete cascade,
  purpose text not null check (purpose in ('verify', 'reset')),
  -- HMAC-SHA-256 under a secret outside the database; the token itself is nowhere
  token_hash bytea not null constraint email_tokens_hash_key unique,
  -- where it was sent to: it proves that address and no other
  email text not null,
  created_at timestamptz(3) not null default now(),
  expires_at timestamptz(3) not null,
  primary key (user_id, purpose)
);
create index email_tokens_age on email_tokens (expires_at);
