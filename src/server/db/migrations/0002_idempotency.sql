-- Answers to replay: a POST with an Idempotency-Key is done once for each caller within 24 hours.
create table idempotency_keys (
  user_id uuid not null references users on delete cascade,
  key text not null,
  fingerprint bytea not null,
  -- null while the first request is being handled
  status smallint,
  body text,
  created_at timestamptz(3) not null default now(),
  primary key (user_id, key)
);
create index idempotency_keys_age on idempotency_keys (created_at);
