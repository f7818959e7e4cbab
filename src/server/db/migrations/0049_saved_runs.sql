-- What is being taken from the repository of a run: {"tip", "to", "commits"}. It is set before the branch moves,
-- so that the same commits are not taken again if the server ends before they are recorded.
alter table runs add column repository_taking jsonb;
-- Whether the workspace of a lost run is still to be saved.
alter table runs add column is_unsaved boolean not null default false;
create index runs_unsaved on runs (agent_id) where is_unsaved;
