-- The newest runs and sessions of an organization, in the order of their ids: lists across agents read no others. Checks
-- and builds, which belong to no agent, are in none of them.
create index runs_newest on runs (org_id, id) where kind <> 'check' and agent_id is not null;

-- The same of one status. It serves the counts for the metrics as before.
drop index runs_by_status;
create index runs_by_status on runs (org_id, status, id);

drop index agent_sessions_org;
create index agent_sessions_newest on agent_sessions (org_id, id);
create index agent_sessions_by_status on agent_sessions (org_id, status, id);
