import type { Merge, MergeStrategy } from "#shared/api/workspaces.js";
import type { Origin } from "../../db/audit.js";
import { newId } from "../../db/columns.js";
import { AppError, invalidField } from "../../errors.js";
import { snapshotFolder } from "../../git/ingest.js";
import { commitTree, RefMovedError, resolveCommit } from "../../git/repository.js";
import type { OrgContext } from "../../http/mount.js";
import { activeUnderLock, commitUnderLock } from "./commit-workspace.js";
import { landMerge } from "./land-merge.js";
import { isMergeTarget, planMerge, type MergeInput, type MergePlan } from "./plan-merge.js";
import {
  branchLock,
  branchRef,
  placesOf,
  requireActive,
  withFolderErrors,
  workspaceLock,
  type ActiveWorkspace,
  type WorkspaceDeps,
} from "./workspace.js";

export interface MergeRequest {
  target_branch?: string | undefined;
  strategy?: MergeStrategy | undefined;
  message?: string | undefined;
}

/** What other processes may do to a branch between the plan and the move, before it is given up. */
const attempts = 5;

/**
 * Merges the workspace's branch into the target: one commit of two parents, or `up_to_date`. Merges
 * into one branch queue in order.
 * @throws AppError 409 `unsaved_changes`, `workspace_not_active`; 422 for an unknown target
 */
export async function mergeWorkspace(
  deps: WorkspaceDeps,
  context: OrgContext,
  agentId: string,
  request: MergeRequest,
): Promise<Merge> {
  const target = await targetOf(deps, context, agentId, request);
  const keys = [workspaceLock(agentId), branchLock(target.projectId, target.branch)];
  return deps.db.locks(keys, async () => {
    const workspace = await saveFirst(deps, context, agentId);
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await mergeOnce(deps, context, workspace, target.branch, request);
      } catch (error) {
        if (!(error instanceof RefMovedError) || attempt === attempts) throw error;
      }
    }
  });
}

/** The merge as it would be, unsaved work included; changes nothing. */
export async function previewMerge(
  deps: WorkspaceDeps,
  context: OrgContext,
  agentId: string,
  request: MergeRequest,
): Promise<Merge> {
  const target = await targetOf(deps, context, agentId, request);
  return deps.db.locks([workspaceLock(agentId)], async () => {
    const workspace = await activeUnderLock(deps, context.orgId, agentId);
    const places = placesOf(deps, workspace);
    const snapshot = await withFolderErrors(() =>
      snapshotFolder({ ...places, parentTree: workspace.head_tree }),
    );
    // A commit that no reference names: it is never seen, and git forgets it.
    const source = snapshot.changed
      ? await commitTree(places.store, {
          tree: snapshot.tree,
          parents: [workspace.head_commit],
          message: "Unsaved work",
          author: { name: workspace.agent_name, email: `${agentId}@agents.omoi` },
          date: new Date(),
        })
      : workspace.head_commit;
    const input = await inputOf(places.store, workspace, target.branch, request, null, source);
    return mergeOf(
      input,
      await planMerge(deps, workspace, { ...input, unsaved: snapshot.changed }),
    );
  });
}

async function targetOf(
  deps: WorkspaceDeps,
  context: OrgContext,
  agentId: string,
  request: MergeRequest,
): Promise<{ projectId: string; branch: string }> {
  const workspace = await context.tx((tx) => requireActive(tx, agentId));
  const branch = request.target_branch ?? workspace.base_branch;
  const { store } = placesOf(deps, workspace);
  if (!isMergeTarget(branch) || (await resolveCommit(store, branchRef(branch))) === null) {
    throw invalidField("target_branch", `names no branch to merge into: ${branch}`, "unknown_id");
  }
  return { projectId: workspace.project_id, branch };
}

/** The workspace with its unsaved work committed, or refused where that is off. */
async function saveFirst(
  deps: WorkspaceDeps,
  context: OrgContext,
  agentId: string,
): Promise<ActiveWorkspace> {
  const workspace = await activeUnderLock(deps, context.orgId, agentId);
  if (workspace.auto_checkpoint) {
    const { created } = await commitUnderLock(deps, workspace, { commit_type: "checkpoint" });
    return created ? context.tx((tx) => requireActive(tx, agentId)) : workspace;
  }
  const snapshot = await withFolderErrors(() =>
    snapshotFolder({ ...placesOf(deps, workspace), parentTree: workspace.head_tree }),
  );
  if (snapshot.changed) {
    throw new AppError(
      "unsaved_changes",
      "The workspace has unsaved changes and auto_checkpoint is off; commit them first.",
    );
  }
  return workspace;
}

async function mergeOnce(
  deps: WorkspaceDeps,
  origin: Origin,
  workspace: ActiveWorkspace,
  targetBranch: string,
  request: MergeRequest,
): Promise<Merge> {
  const { org_id, project_id, agent_id } = workspace;
  const { store } = placesOf(deps, workspace);
  const id = newId();
  const source = workspace.head_commit;
  const input = await inputOf(store, workspace, targetBranch, request, id, source);
  const plan = await planMerge(deps, workspace, input);
  if (plan.upToDate) return mergeOf(input, plan);

  const sha = await commitTree(store, {
    tree: plan.tree,
    parents: [input.target, input.source],
    message: request.message ?? `Merge ${workspace.branch_name} into ${targetBranch}`,
    author: { name: workspace.agent_name, email: `${agent_id}@agents.omoi` },
    date: new Date(),
  });
  return landMerge(
    deps,
    origin,
    {
      id,
      org_id,
      project_id,
      agent_id,
      source_branch: input.branches.source,
      target_branch: targetBranch,
      source_commit: input.source,
      target_commit: input.target,
      merge_commit: sha,
      strategy: input.strategy,
      status: plan.resolutions.length > 0 ? "conflict_resolved" : "clean",
      resolutions: plan.resolutions,
    },
    plan.keep,
  );
}

async function inputOf(
  store: string,
  workspace: ActiveWorkspace,
  targetBranch: string,
  request: MergeRequest,
  mergeId: string | null,
  source: string,
): Promise<MergeInput> {
  const target = await resolveCommit(store, branchRef(targetBranch));
  if (target === null) throw new RefMovedError(branchRef(targetBranch));
  return {
    mergeId,
    source,
    target,
    unsaved: false,
    strategy: request.strategy ?? workspace.merge_strategy,
    branches: { source: workspace.branch_name, target: targetBranch },
  };
}

/** A merge that was not made, as the API shows it. */
function mergeOf(input: MergeInput, plan: MergePlan): Merge {
  return {
    id: null,
    merge_commit_sha: null,
    source_branch: input.branches.source,
    target_branch: input.branches.target,
    status: plan.upToDate
      ? "up_to_date"
      : plan.resolutions.length > 0
        ? "conflict_resolved"
        : "clean",
    resolution_strategy: input.strategy,
    total_conflicts: plan.resolutions.length,
    conflicts_resolved: plan.resolutions.flatMap(({ paths }) => paths),
    resolutions: plan.resolutions,
    reverted_by: null,
    created_at: new Date().toISOString(),
  };
}
