import type { Conflicts, Merge } from "#shared/api/code/merges.js";
import { AppError } from "../../../../errors.js";
import { commitTree } from "#git/store/repository.js";
import type { OrgContext } from "../../../../http/requests/request-context.js";
import { activeUnderLock, commitUnderLock } from "../commits/commit-workspace.js";
import { measureMerge } from "./measure-merge.js";
import { withMergeLease } from "./merge-lease.js";
import { mergeTogether, mergeUnderLocks } from "./merge-together.js";
import { inputOf, mergeOf, type MergeRequest } from "./prepare-merge.js";
import { withRegeneration } from "./with-regeneration.js";
import { planDecidedMerge, type MergeInput } from "./planning/plan-merge.js";
import { readConflicts } from "./planning/read-conflicts.js";
import type { RegenerationRules } from "./planning/regenerate-files.js";
import { requireUnprotected } from "../branch-rules/protection.js";
import { requireThreadsResolved } from "./open-threads.queries.js";
import { requireMergeTarget, visibleBranches } from "../visible-branches.js";
import {
  branchLock,
  placesOf,
  requireActive,
  snapshotOf,
  workspaceLock,
  type ActiveWorkspace,
  type WorkspaceDeps,
} from "../workspace.js";

/**
 * Merges the workspace's branch into the target by a commit with two parents, or returns `up_to_date`.
 * Merges into one branch are queued in order. Uncommitted changes are committed before the merge enters
 * the queue, so that other merges into the branch do not wait for it.
 * @throws AppError 409 `unsaved_changes`, `workspace_not_active`, `merge_conflict`; 412 `stale`; 422
 * for an unknown target or a resolution of a path without conflict
 */
export function mergeWorkspace(
  deps: WorkspaceDeps,
  context: OrgContext,
  agentId: string,
  request: MergeRequest,
): Promise<Merge> {
  return withRegeneration(deps, context, agentId, (regeneration) =>
    mergeNow(deps, context, agentId, request, regeneration),
  );
}

/** @throws RegenerationRequired */
async function mergeNow(
  deps: WorkspaceDeps,
  context: OrgContext,
  agentId: string,
  request: MergeRequest,
  regeneration: RegenerationRules,
): Promise<Merge> {
  const { db } = deps;
  const { orgId } = context;
  return measureMerge(() =>
    withMergeLease(db, { orgId, agentId }, async () => {
      const started = await db.locks(orgId, [workspaceLock(agentId)], async (tryMore) => {
        const workspace = await activeUnderLock(deps, orgId, agentId);
        const { projectId, branch } = await targetOf(deps, context, workspace, request);
        requireUnprotected(workspace.protected_branches, branch);
        await context.tx((tx) =>
          requireThreadsResolved(tx, agentId, workspace.protected_branches, branch),
        );
        const saved = await commitUnsavedChanges(deps, context, workspace);
        const asked = { context, agentId, branch, request, regeneration };
        const lock = branchLock(projectId, branch);
        if (!(await tryMore([lock])).has(lock)) return { asked, projectId };
        return { merge: await mergeUnderLocks(deps, asked, saved) };
      });
      if ("merge" in started) return started.merge;
      return mergeTogether(deps, started.projectId, started.asked);
    }),
  );
}

/** Computes the merge including uncommitted changes, without side effects. */
export async function previewMerge(
  deps: WorkspaceDeps,
  context: OrgContext,
  agentId: string,
  request: MergeRequest,
): Promise<Merge> {
  return withMerge(deps, context, agentId, request, async (input) =>
    mergeOf(input, await planDecidedMerge(deps, input)),
  );
}

/** Returns the conflicts with both versions, including uncommitted changes, without side effects. */
export function previewConflicts(
  deps: WorkspaceDeps,
  context: OrgContext,
  agentId: string,
  request: MergeRequest,
): Promise<Conflicts> {
  return withMerge(deps, context, agentId, request, (input) => readConflicts(deps, input));
}

/**
 * Runs work on the inputs of a merge, read under the workspace's lock. The work itself may wait, and holds no
 * lock.
 * @throws AppError as `mergeWorkspace`
 */
export async function withMerge<Result>(
  deps: WorkspaceDeps,
  context: OrgContext,
  agentId: string,
  request: MergeRequest,
  work: (input: MergeInput) => Promise<Result>,
): Promise<Result> {
  const input = await deps.db.locks(context.orgId, [workspaceLock(agentId)], async () => {
    const workspace = await activeUnderLock(deps, context.orgId, agentId);
    const target = await targetOf(deps, context, workspace, request);
    const { commit, unsaved } = await headWithUnsaved(deps, workspace);
    const found = await inputOf(deps, workspace, target.branch, request, { source: commit });
    return { ...found, mergeId: null, unsaved };
  });
  return work(input);
}

/**
 * Returns the workspace's head including uncommitted changes: an unreferenced commit that git will
 * prune.
 */
export async function headWithUnsaved(
  deps: WorkspaceDeps,
  workspace: ActiveWorkspace,
): Promise<{ commit: string; unsaved: boolean }> {
  const { changed, tree } = await snapshotOf(deps, workspace);
  if (!changed) return { commit: workspace.head_commit, unsaved: false };
  const commit = await commitTree(placesOf(deps, workspace).repoPath, {
    tree,
    parents: [workspace.head_commit],
    message: "Unsaved work",
    author: { name: workspace.agent_name, email: `${workspace.agent_id}@agents.omoi` },
    date: new Date(),
  });
  return { commit, unsaved: true };
}

/** Returns the project and the requested target branch. @throws AppError 422 */
export async function targetOf(
  deps: WorkspaceDeps,
  context: OrgContext,
  workspace: ActiveWorkspace,
  request: MergeRequest,
): Promise<{ projectId: string; branch: string }> {
  const { actor } = context;
  const visible = actor.agent
    ? await context.tx((tx) => visibleBranches(tx, actor, workspace.project_id))
    : null;
  const branch = request.target_branch ?? workspace.base_branch;
  await requireMergeTarget("target_branch", branch, placesOf(deps, workspace).repoPath, visible);
  return { projectId: workspace.project_id, branch };
}

/**
 * Commits uncommitted changes of the workspace, or rejects them when that is turned off. Returns the
 * workspace with its new head.
 */
export async function commitUnsavedChanges(
  deps: WorkspaceDeps,
  context: OrgContext,
  workspace: ActiveWorkspace,
): Promise<ActiveWorkspace> {
  if (workspace.auto_checkpoint) {
    const checkpoint = { commit_type: "checkpoint" } as const;
    const { commit } = await commitUnderLock(deps, workspace, checkpoint, context.write);
    return commit ? context.tx((tx) => requireActive(tx, workspace.agent_id)) : workspace;
  }
  if ((await snapshotOf(deps, workspace)).changed) {
    throw new AppError(
      "unsaved_changes",
      "The workspace has unsaved changes and auto_checkpoint is off; commit them first.",
    );
  }
  return workspace;
}
