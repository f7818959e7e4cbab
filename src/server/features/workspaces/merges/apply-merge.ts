/** Moves a target branch to a merge commit, exactly once even after a crash. */
import { access } from "node:fs/promises";
import type { Merge } from "#shared/api/projects/merges.js";
import type { ProtectedBranch } from "#shared/protection.js";
import { originOf, systemOrigin } from "../../../db/audit/audit.js";
import { statementOf } from "../../../db/connection/connect.js";
import { isAncestor, resolveCommit } from "#git/store/repository.js";
import { RefMovedError, startRefUpdates, type RefUpdate } from "#git/store/refs.js";
import type { OrgContext } from "../../../http/request-context.js";
import { recoverCommit } from "../commits/commit-workspace.js";
import { requireUnprotected } from "../queue/protection.js";
import { readProtectedBranches } from "../queue/protection.queries.js";
import * as merges from "./merges.queries.js";
import type { NewMerge } from "./merges.queries.js";
import { recordMerge } from "./record-merge.js";
import { branchLock, branchRef, workspaceLock, type WorkspaceDeps } from "../workspace.js";

/** A computed merge: its row, and the refs that keep losing versions. Its commit is in no branch. */
export interface PreparedMerge {
  row: Omit<NewMerge, "origin">;
  keep: readonly { ref: string; sha: string }[];
}

/**
 * Moves the target branch to the merge commit. The row is written as pending, after re-authorizing the
 * caller, before the branch moves; afterwards it is marked done, with its audit event. The branch moves
 * atomically from the commit the merge was computed on.
 * @throws AppError 401, 403, 404; 409 `branch_protected`
 * @throws RefMovedError when the branch has moved; nothing was changed
 */
export async function applyMerge(
  deps: WorkspaceDeps,
  context: OrgContext,
  { row: merge, keep }: PreparedMerge,
): Promise<Merge> {
  const { db } = deps;
  const { id, org_id, project_id } = merge;
  const updates = startRefUpdates(deps.storage.repository(org_id, project_id));
  try {
    await context.write<void, ProtectedBranch[]>(
      async (tx, _access, protectedBranches, last) => {
        requireUnprotected(protectedBranches, merge.target_branch);
        const pending = { ...merge, origin: originOf(context) };
        last.push(statementOf(merges.insertingPendingMerge(tx, pending)));
      },
      (tx) => readProtectedBranches(tx, project_id),
    );
  } catch (error) {
    updates.cancel();
    throw error;
  }
  try {
    await updates.finish([
      {
        ref: branchRef(merge.target_branch),
        newSha: merge.merge_commit,
        expectedOld: merge.target_commit,
      },
      ...keepUpdates(keep),
    ]);
  } catch (error) {
    if (error instanceof RefMovedError) {
      await db.tenant(org_id, (tx) => merges.deletePendingMerge(tx, id));
    } else {
      // The branch may have moved nevertheless.
      await recoverMergeUnderLock(deps, org_id, id);
    }
    throw error;
  }
  return db.change(org_id, context, (tx, audit) => recordMerge(tx, audit, merge));
}

/** Returns the updates that create the refs of losing versions. */
export function keepUpdates(keep: PreparedMerge["keep"]): RefUpdate[] {
  return keep.map(({ ref, sha }) => ({ ref, newSha: sha, expectedOld: null }));
}

/** Attempts while other processes move the branch between plan and update. */
const attempts = 5;

/** Repeats work on a branch's tip while the branch moves concurrently. */
export async function retryOnRefMoved<Result>(work: () => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof RefMovedError) || attempt === attempts) throw error;
    }
  }
}

/**
 * Recovers an interrupted merge: it is recorded if the target branch contains it, and otherwise
 * deleted.
 */
export async function recoverMerge(
  deps: WorkspaceDeps,
  orgId: string,
  mergeId: string,
): Promise<void> {
  const { db } = deps;
  const found = await db.tenant(orgId, (tx) => merges.findPendingMerge(tx, mergeId));
  if (!found) return;
  // A sync is a commit of the workspace, whose folder must follow.
  if (found.kind === "sync") {
    return recoverCommit(deps, orgId, found.agent_id, found.merge_commit);
  }
  const keys = [workspaceLock(found.agent_id), branchLock(found.project_id, found.target_branch)];
  await db.locks(orgId, keys, () => recoverMergeUnderLock(deps, orgId, mergeId));
}

/** Same as `recoverMerge` for a merge, revert or restore, under the lock of its target branch. */
export async function recoverMergeUnderLock(
  { db, storage }: WorkspaceDeps,
  orgId: string,
  mergeId: string,
): Promise<void> {
  const merge = await db.tenant(orgId, (tx) => merges.findPendingMerge(tx, mergeId));
  if (!merge) return;
  const repoPath = storage.repository(orgId, merge.project_id);
  // A missing disk must not look like a branch without the commit.
  await access(repoPath);
  const tip = await resolveCommit(repoPath, branchRef(merge.target_branch));
  const exists = (await resolveCommit(repoPath, merge.merge_commit)) !== null;
  const held = tip !== null && exists && (await isAncestor(repoPath, merge.merge_commit, tip));
  // The original caller stays the author of the event.
  await db.change(orgId, merge.origin ?? systemOrigin, async (tx, audit) => {
    if (held) await recordMerge(tx, audit, merge);
    else await merges.deletePendingMerge(tx, mergeId);
  });
}
