-- Commands of the merge driver "regenerate" are checks of a commit whose tree is a merge without their files.
-- Their definition has "paths".

-- Null if a request waits for it instead of a branch's queue.
alter table commit_checks alter column branch drop not null;
-- The regenerated files of a command that passed: a list of {path, oid}.
alter table commit_checks add column outputs jsonb;
create unique index commit_checks_one_regeneration on commit_checks (project_id, commit_sha, definition_hash)
  where ended_at is null and definition -> 'paths' is not null;
