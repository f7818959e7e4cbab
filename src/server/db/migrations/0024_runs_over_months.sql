-- With their start, so that the few whose time is divided are found without reading all of a month.
drop index runs_over_months;
create index runs_over_months on runs (org_id, ended_at) include (started_at)
  where date_trunc('month', started_at at time zone 'UTC') <> date_trunc('month', ended_at at time zone 'UTC');
