-- Git inside a run: the commits taken from the repository of a run.
-- The newest commit of that repository which the workspace's branch has; null without a repository.
alter table runs add column repository_tip text;
alter table runs add column repository_commits integer not null default 0;
-- Branches that keep commits which do not follow the workspace's branch.
alter table runs add column repository_branches text[] not null default '{}';
-- Why the run has no repository, or why its commits were not taken; a sentence.
alter table runs add column repository_error text;
