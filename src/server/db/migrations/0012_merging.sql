-- What undoes a merge, or a part of one, moves a branch too and is journalled as merges are; so is a
-- sync, which merges the base branch into a workspace's.
alter table merges
  add column kind text not null default 'merge' check (kind in ('merge', 'revert', 'restore', 'sync')),
  -- The merge that is undone, and the commit that the three-way merge takes for the common one.
  add column of_merge uuid,
  add column base_commit text,
  -- What was decided by hand, one for each conflict: with it a merge can be computed again.
  add column decisions jsonb;
create index merges_reverted_by on merges (reverted_by) where reverted_by is not null;
