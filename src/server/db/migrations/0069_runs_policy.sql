-- The planner estimates the visible runs from the functions' values. It cannot see those of the subqueries that were
-- here: it took a range over all organizations for a two-hundredth of the table, and combined an index over
-- organizations, read whole, with the index that finds the rows.
alter policy tenant on runs using (org_id between app_org_from() and app_org_to());

-- The few queued runs that a runner has been offered.
create index runs_offered on runs (org_id, offered_until)
  where status = 'queued' and runner_labels is not null and runner_id is not null;

-- The queued runs of agents, without those that have ended.
create index runs_queued_of_agent on runs (agent_id) where status = 'queued';

-- Counts of runs by status, for the metrics.
create index runs_by_status on runs (org_id, status);

-- Pages of a project's agents and of an agent's runs, in the order of their ids.
drop index agents_project;
create index agents_project on agents (project_id, id);
create index runs_of_agent on runs (agent_id, id);
