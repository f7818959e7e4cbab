-- How long a run that has ended ran, kept beside it: a month's hours are then one sum over an index.
alter table runs add column runtime_ms bigint
  generated always as (greatest(extract(epoch from ended_at - started_at) * 1000, 0)::bigint) stored;

drop index runs_ledger;
create index runs_ledger on runs (org_id, started_at) include (ended_at, runtime_ms);

-- Those that ended in another month than they began: the few whose time is divided.
create index runs_over_months on runs (org_id, ended_at)
  where date_trunc('month', started_at at time zone 'UTC') <> date_trunc('month', ended_at at time zone 'UTC');
drop index runs_ended;

-- Worked out once for a query instead of for each row, of which a month may have many.
alter policy tenant on runs
  using (org_id between (select app_org_from()) and (select app_org_to()));
