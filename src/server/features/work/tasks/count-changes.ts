import type { Attempt, TaskComparison } from "#shared/api/work/tasks.js";
import { changeBetween } from "#git/diff/change-between.js";
import { diffFiles } from "#git/diff/diff.js";
import { mergeBase, resolveCommit } from "#git/store/repository.js";
import { branchRef } from "../../code/workspaces/index.js";
import type { RunDeps } from "../../execution/runs/start.js";
import type { CountChanges } from "./read-task.js";
import type { ReadAttempt } from "./queries/read-tasks.queries.js";

/** Maximum paths of an attempt in a comparison. */
const MAX_PATHS = 1000;
const MAX_PATHS_ONLY_HERE = 100;

/** Counts what attempts change in their base branches; null where git cannot tell. */
export function changesCounter(deps: RunDeps): CountChanges {
  return async (attempt, task) => {
    try {
      const repoPath = deps.storage.repository(task.org_id, task.project_id);
      const range = await rangeOf(repoPath, attempt);
      if (range === null) return null;
      const { stats } = await changeBetween(repoPath, ...range);
      const { files_changed, additions, deletions } = stats;
      return { files: files_changed, added: additions, removed: deletions };
    } catch (error) {
      // The repository may be moving or being deleted.
      deps.log.warn({ err: error, attempt: attempt.id }, "cannot count the changes of an attempt");
      return null;
    }
  };
}

/** Returns the commits between which an attempt has changed something. */
async function rangeOf(
  repoPath: string,
  { head_commit, parent_commit, base_branch, status }: ReadAttempt,
): Promise<[string, string] | null> {
  if (head_commit === null) return null;
  // Merged, its base branch has all of it.
  if (status === "merged") return parent_commit === null ? null : [parent_commit, head_commit];
  const base = await resolveCommit(repoPath, branchRef(base_branch));
  const fork = base === null ? null : await mergeBase(repoPath, base, head_commit);
  return fork === null ? null : [fork, head_commit];
}

/** Lists the files that each attempt changes, and those that only one of them does. */
export async function comparePaths(
  deps: RunDeps,
  { org_id, project_id }: { org_id: string; project_id: string },
  attempts: readonly ReadAttempt[],
  shown: readonly Attempt[],
): Promise<TaskComparison> {
  const repoPath = deps.storage.repository(org_id, project_id);
  const changed = await Promise.all(
    attempts.map(async (attempt) => {
      const range = await rangeOf(repoPath, attempt);
      if (range === null) return [];
      const { files } = await diffFiles(repoPath, ...range, { patch: false });
      return files.map(({ path }) => path);
    }),
  );
  const counts = new Map<string, number>();
  for (const path of changed.flat()) counts.set(path, (counts.get(path) ?? 0) + 1);
  return {
    attempts: shown.map((attempt, index) => {
      const paths = changed[index] ?? [];
      const only = paths.filter((path) => counts.get(path) === 1);
      return {
        ...attempt,
        paths: paths.slice(0, MAX_PATHS),
        paths_only_here: only.slice(0, MAX_PATHS_ONLY_HERE),
      };
    }),
  };
}
