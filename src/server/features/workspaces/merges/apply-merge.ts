/** Moving a target branch to a commit that merges make, so that a crash neither loses nor repeats it. */
import type { Merge } from "#shared/api/merges.js";
import { originOf, systemOrigin } from "../../../db/audit/audit.js";
import { isAncestor, resolveCommit } from "#git/store/repository.js";
import { RefMovedError, startRefUpdates } from "#git/store/refs.js";
import type { OrgContext } from "../../../http/register-routes.js";
import { recoverCommit } from "../commits/commit-workspace.js";
import * as merges from "./merges.queries.js";
import type { NewMerge } from "./merges.queries.js";
import { recordMerge } from "./record-merge.js";
import { branchLock, branchRef, workspaceLock, type WorkspaceDeps } from "../workspace.js";

/**
 * Moves the target branch to the merge's commit. The row is written as pending before the branch
 * moves, by a caller who may still merge then, and done after, with the event that tells of it; the
 * branch moves once, atomically, from the commit that the merge was computed on.
 * @throws RefMovedError where the branch is elsewhere; then nothing was done
 */
export async function applyMerge(
  deps: WorkspaceDeps,
  context: OrgContext,
  merge: Omit<NewMerge, "origin">,
  keep: readonly { ref: string; sha: string }[],
): Promise<Merge> {
  const { db } = deps;
  const { id, org_id, project_id } = merge;
  const updates = startRefUpdates(deps.storage.repository(org_id, project_id));
  try {
    await context.write((tx) =>
      merges.insertPendingMerge(tx, { ...merge, origin: originOf(context) }),
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
      ...keep.map(({ ref, sha }) => ({ ref, newSha: sha, expectedOld: null })),
    ]);
  } catch (error) {
    await db.tenant(org_id, (tx) => merges.deletePendingMerge(tx, id));
    throw error;
  }
  return db.change(org_id, context, (tx, audit) => recordMerge(tx, audit, merge));
}

/** What other processes may do to a branch between the plan and the move, before it is given up. */
const attempts = 5;

/** Repeats what is computed on a branch's tip while the branch moves under it. */
export async function retryOnRefMoved<Result>(work: () => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof RefMovedError) || attempt === attempts) throw error;
    }
  }
}

/** Settles a merge that was cut off: the target branch holds it, or it never was. */
export async function recoverMerge(
  deps: WorkspaceDeps,
  orgId: string,
  mergeId: string,
): Promise<void> {
  const { db } = deps;
  const found = await db.tenant(orgId, (tx) => merges.findPendingMerge(tx, mergeId));
  if (!found) return;
  // A sync is a commit of the workspace, whose folder has to follow.
  if (found.kind === "sync") {
    return recoverCommit(deps, orgId, found.agent_id, found.merge_commit);
  }
  const keys = [workspaceLock(found.agent_id), branchLock(found.project_id, found.target_branch)];
  await db.locks(orgId, keys, async () => {
    const merge = await db.tenant(orgId, (tx) => merges.findPendingMerge(tx, mergeId));
    if (!merge) return;
    const repoPath = deps.storage.repository(orgId, merge.project_id);
    const tip = await resolveCommit(repoPath, branchRef(merge.target_branch));
    const exists = (await resolveCommit(repoPath, merge.merge_commit)) !== null;
    const held = tip !== null && exists && (await isAncestor(repoPath, merge.merge_commit, tip));
    // Who asked is named as if nothing had happened in between.
    await db.change(orgId, merge.origin ?? systemOrigin, async (tx, audit) => {
      if (held) await recordMerge(tx, audit, merge);
      else await merges.deletePendingMerge(tx, mergeId);
    });
  });
}
