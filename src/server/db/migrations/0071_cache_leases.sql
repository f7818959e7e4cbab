-- The server processes that may answer from their caches: a revocation waits for each of them. A process renews its
-- row every two seconds, and may use its caches while a notification sent with the renewal has reached it in time.
--
-- Unlogged, because a renewal must not write to the log of transactions, and because the rows of a server that
-- crashed or was replaced by its standby are worth nothing: a standby has none, so that it cannot have old ones.
create unlogged table cache_leases (
  process_id uuid primary key,
  -- Another one with each renewal.
  token uuid not null
);
alter table cache_leases enable row level security;
alter table cache_leases force row level security;
create policy system_only on cache_leases using (app_is_system());

-- Says that no rows are missing. PostgreSQL removes it with all others; a process adds it again when each lease of
-- that time has ended.
insert into cache_leases values
  ('00000000-0000-0000-0000-000000000000', '00000000-0000-0000-0000-000000000000');
