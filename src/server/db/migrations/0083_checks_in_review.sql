-- Checks that begin when a change goes to review. The queue takes them over where its candidate has the same tree.

-- the commit in review, merged with the target as commit_sha; null for checks of the merge queue
alter table commit_checks add column source_commit text;
-- of commit_sha, for those in review
alter table commit_checks add column tree_sha text;
create index commit_checks_in_review on commit_checks (project_id, agent_id) where source_commit is not null;
