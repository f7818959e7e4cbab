-- A period's runs are those that start in it and those that started before and end in it or later:
-- without this, each look at a month reads the organization's whole history.
create index runs_ended on runs (org_id, ended_at, started_at);
