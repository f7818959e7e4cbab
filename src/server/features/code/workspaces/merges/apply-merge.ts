/** Moves a target branch to a merge commit, exactly once even after a crash. */
import { access } from "node:fs/promises";
import { allOf } from "#shared/node/all-of.js";
import type { Merge } from "#shared/api/code/merges.js";
import type { ProtectedBranch } from "#shared/code/protection.js";
import { originOf, systemOrigin } from "../../../../db/audit/audit.js";
import { statementOf } from "../../../../db/connection/connect.js";
import { isAncestor, resolveCommit } from "#git/store/repository.js";
import { RefMovedError, startRefUpdates, type RefUpdate } from "#git/store/refs.js";
import type { OrgContext } from "../../../../http/requests/request-context.js";
import { recoverCommit } from "../commits/commit-workspace.js";
import { requireUnprotected } from "../branch-rules/protection.js";
import { readProtectedBranches } from "../branch-rules/protection.queries.js";
import * as merges from "./merges.queries.js";
import type { NewMerge } from "./merges.queries.js";
import { recordMerge } from "./record-merge.js";
import { branchLock, branchRef, workspaceLock, type WorkspaceDeps } from "../workspace.js";

/** A computed merge: its row, and the refs that keep losing versions. Its commit is in no branch. */
export interface PreparedMerge {
  row: Omit<NewMerge, "origin">;
  keep: readonly { ref: string; sha: string }[];
}

/** A computed merge and its caller. */
export interface MergeToApply {
  context: OrgContext;
  prepared: PreparedMerge;
}

/** Some of the merges may not be made any more; nothing was changed. */
export class MergeRefusedError extends Error {
  override readonly name = "MergeRefusedError";
  /** The refused merges, with the error of each. */
  readonly refused: ReadonlyMap<MergeToApply, unknown>;

  constructor(refused: ReadonlyMap<MergeToApply, unknown>) {
    const [cause] = refused.values();
    super("a merge was refused", { cause });
    this.refused = refused;
  }
}

/**
 * Same as `applyMerges` for one merge.
 * @throws AppError 401, 403, 404; 409 `branch_protected`
 * @throws RefMovedError when the branch has moved; nothing was changed
 */
export async function applyMerge(
  deps: WorkspaceDeps,
  context: OrgContext,
  prepared: PreparedMerge,
): Promise<Merge> {
  try {
    const [merge] = await applyMerges(deps, [{ context, prepared }]);
    return merge as Merge;
  } catch (error) {
    throw error instanceof MergeRefusedError ? error.cause : error;
  }
}

/**
 * Moves a target branch to the last of the merge commits, each of which was computed on the one before
 * it. Their rows are written as pending, after re-authorizing the callers, before the branch moves;
 * afterwards they are marked done, with their audit events. The branch moves atomically from the commit
 * that the first one was computed on.
 * @throws MergeRefusedError for the callers who may not merge any more
 * @throws AppError 409 `branch_protected`
 * @throws RefMovedError when the branch has moved; nothing was changed
 */
export async function applyMerges(
  deps: WorkspaceDeps,
  group: readonly MergeToApply[],
): Promise<Merge[]> {
  const { db } = deps;
  const rows = group.map(({ prepared }) => prepared.row);
  const [first, last] = [rows[0], rows.at(-1)];
  if (!first || !last) return [];
  const { org_id, project_id, target_branch } = first;
  const updates = startRefUpdates(deps.storage.repository(org_id, project_id));
  try {
    await db.write<void, ReadBeforeMerge>(
      org_id,
      async (tx, { callers, protectedBranches }, statements) => {
        const refused = new Map<MergeToApply, unknown>();
        for (const [index, merge] of group.entries()) {
          const caller = callers[index];
          if (caller?.status === "rejected") refused.set(merge, caller.reason);
        }
        if (refused.size > 0) throw new MergeRefusedError(refused);
        requireUnprotected(protectedBranches, target_branch);
        for (const { context, prepared } of group) {
          const pending = { ...prepared.row, origin: originOf(context) };
          statements.push(statementOf(merges.insertingPendingMerge(tx, pending)));
        }
      },
      async (tx) => {
        const [callers, protectedBranches] = await allOf(
          Promise.allSettled(group.map(({ context }) => context.judge(tx))),
          readProtectedBranches(tx, project_id),
        );
        return { callers, protectedBranches };
      },
    );
  } catch (error) {
    updates.cancel();
    throw error;
  }
  const { target_commit: expectedOld } = first;
  try {
    await updates.finish([
      { ref: branchRef(target_branch), newSha: last.merge_commit, expectedOld },
      ...group.flatMap(({ prepared }) => keepUpdates(prepared.keep)),
    ]);
  } catch (error) {
    // After any other error the branch may have moved nevertheless.
    const recover = (id: string): Promise<void> =>
      error instanceof RefMovedError
        ? db.tenant(org_id, (tx) => merges.deletePendingMerge(tx, id))
        : recoverMergeUnderLock(deps, org_id, id);
    // A row that cannot be recovered now is recovered by the next start.
    for (const { id } of rows) await recover(id).catch(() => undefined);
    throw error;
  }
  return db.change(org_id, systemOrigin, async (tx, audit) => {
    const done: Merge[] = [];
    for (const { context: origin, prepared } of group) {
      done.push(await recordMerge(tx, (event) => audit({ ...event, origin }), prepared.row));
    }
    return done;
  });
}

interface ReadBeforeMerge {
  callers: PromiseSettledResult<unknown>[];
  protectedBranches: ProtectedBranch[];
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
