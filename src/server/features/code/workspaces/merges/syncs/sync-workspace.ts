import type { Merge } from "#shared/api/code/merges.js";
import { originOf } from "../../../../../db/audit/audit.js";
import { newId } from "../../../../../db/tables/columns.js";
import { AppError } from "../../../../../errors.js";
import { diffStats } from "#git/diff/diff.js";
import { currentDrivers } from "#git/merge/merge.js";
import { commitTree, resolveCommit } from "#git/store/repository.js";
import { updateRefs } from "#git/store/refs.js";
import type { OrgContext } from "../../../../../http/requests/request-context.js";
import * as commits from "../../commits/commits.queries.js";
import { activeUnderLock } from "../../commits/commit-workspace.js";
import { recoverSync } from "./recover-sync.js";
import * as merges from "../merges.queries.js";
import type { NewMerge } from "../merges.queries.js";
import { commitUnsavedChanges, headWithUnsaved } from "../merge-workspace.js";
import {
  resolveStrategy,
  mergeOf,
  requireExpectedState,
  type DecidedRequest,
  type MergeRequest,
  subjectOf,
} from "../prepare-merge.js";
import { measureMerge } from "../measure-merge.js";
import { withMergeLease } from "../merge-lease.js";
import { withRegeneration } from "../with-regeneration.js";
import { planDecidedMerge, type MergeInput, type MergePlan } from "../planning/plan-merge.js";
import type { RegenerationRules } from "../planning/regenerate-files.js";
import * as queries from "../../workspaces.queries.js";
import {
  branchRef,
  placesOf,
  workspaceLock,
  type ActiveWorkspace,
  type WorkspaceDeps,
} from "../../workspace.js";

/**
 * Merges the base branch (source) into the workspace (target) by a commit of type `merge`, or returns
 * `up_to_date`. The folder follows. Uncommitted changes are committed first.
 * @throws AppError as `mergeWorkspace`; 409 `run_in_progress` while a command runs in the folder
 */
export function syncWorkspace(
  deps: WorkspaceDeps,
  context: OrgContext,
  agentId: string,
  request: Omit<MergeRequest, "target_branch">,
): Promise<Merge> {
  return withRegeneration(deps, context, agentId, (regeneration) =>
    syncNow(deps, context, agentId, request, regeneration),
  );
}

/** @throws RegenerationRequired */
function syncNow(
  deps: WorkspaceDeps,
  context: OrgContext,
  agentId: string,
  request: Omit<MergeRequest, "target_branch">,
  regeneration: RegenerationRules,
): Promise<Merge> {
  return measureMerge(() =>
    withMergeLease(deps.db, { orgId: context.orgId, agentId }, () =>
      whileNothingRuns(deps, context, agentId, async () => {
        const active = await activeUnderLock(deps, context.orgId, agentId);
        const workspace = await commitUnsavedChanges(deps, context, active);
        const head = workspace.head_commit;
        const input = {
          ...(await inputOf(deps, workspace, request, head, newId())),
          regeneration,
        };
        const plan = await planDecidedMerge(deps, input);
        if (plan.upToDate) return mergeOf(input, plan, { kind: "sync", of_merge: null });
        return applySync(deps, context, workspace, input, plan, request.message);
      }),
    ),
  );
}

/**
 * Runs work on the inputs of a sync, read under the workspace's lock. The work itself may wait, and holds no lock.
 * @throws AppError as `syncWorkspace`
 */
export async function withSync<Result>(
  deps: WorkspaceDeps,
  context: OrgContext,
  agentId: string,
  request: DecidedRequest,
  work: (input: MergeInput) => Promise<Result>,
): Promise<Result> {
  const input = await whileNothingRuns(deps, context, agentId, async () => {
    const workspace = await activeUnderLock(deps, context.orgId, agentId);
    const { commit, unsaved } = await headWithUnsaved(deps, workspace);
    return { ...(await inputOf(deps, workspace, request, commit, null)), unsaved };
  });
  return work(input);
}

function whileNothingRuns<Result>(
  deps: WorkspaceDeps,
  context: OrgContext,
  agentId: string,
  work: () => Promise<Result>,
): Promise<Result> {
  return deps.db.locks(context.orgId, [workspaceLock(agentId)], async () => {
    // Files are written by path: a running command could redirect a path by a link.
    if (await context.tx((tx) => queries.hasManagedRun(tx, agentId))) {
      throw new AppError(
        "run_in_progress",
        "A command is running in the workspace; stop it, or wait.",
      );
    }
    return work();
  });
}

async function inputOf(
  deps: WorkspaceDeps,
  workspace: ActiveWorkspace,
  request: DecidedRequest,
  target: string,
  mergeId: string | null,
): Promise<MergeInput> {
  const { org_id, project_id, base_branch, branch_name } = workspace;
  const { repoPath } = placesOf(deps, workspace);
  const source = await resolveCommit(repoPath, branchRef(base_branch));
  if (source === null) {
    throw new AppError(
      "base_branch_gone",
      `The base branch ${base_branch} no longer exists; choose another one in the settings.`,
    );
  }
  await requireExpectedState(repoPath, request, { source, target }, "target");
  return {
    org_id,
    project_id,
    mergeId,
    source,
    target,
    base: null,
    drivers: currentDrivers(workspace.merge_drivers),
    unsaved: false,
    workspace: "target",
    ...resolveStrategy(request, workspace.merge_strategy),
    branches: { source: base_branch, target: branch_name },
  };
}

/**
 * Like `applyMerge`, for the workspace's own branch: the rows of merge and commit are written as
 * pending, the branch moves, the folder follows, and the rows are recorded.
 */
async function applySync(
  deps: WorkspaceDeps,
  context: OrgContext,
  workspace: ActiveWorkspace,
  input: MergeInput,
  plan: MergePlan,
  message = `Merge ${workspace.base_branch} into ${workspace.branch_name}`,
): Promise<Merge> {
  const { db } = deps;
  const { org_id, project_id, agent_id, branch_name } = workspace;
  const { source, target, strategy, branches } = input;
  const { repoPath } = placesOf(deps, workspace);
  const sha = await commitTree(repoPath, {
    tree: plan.tree,
    parents: [target, source],
    message,
    author: { name: workspace.agent_name, email: `${agent_id}@agents.omoi` },
    date: new Date(),
  });
  const id = input.mergeId as string;
  const sync: NewMerge = {
    id,
    kind: "sync",
    of_merge: null,
    org_id,
    project_id,
    agent_id,
    source_branch: branches.source,
    target_branch: branches.target,
    source_commit: source,
    target_commit: target,
    base_commit: null,
    merge_commit: sha,
    subject: subjectOf(message),
    strategy,
    status: plan.resolutions.length > 0 ? "conflict_resolved" : "clean",
    resolutions: plan.resolutions,
    decisions: plan.decisions,
    drivers: plan.drivers,
    driver_files: plan.driverFiles,
    origin: originOf(context),
  };
  const commit = {
    org_id,
    agent_id,
    commit_sha: sha,
    parent_sha: target,
    tree_sha: plan.tree,
    commit_type: "merge" as const,
    iteration: null,
    message,
    ...(await diffStats(repoPath, target, plan.tree)),
  };
  await context.write(async (tx) => {
    await commits.insertingPendingCommit(tx, commit);
    await merges.insertingPendingMerge(tx, sync);
  });
  try {
    await updateRefs(repoPath, [
      { ref: branchRef(branch_name), newSha: sha, expectedOld: target },
      ...plan.keep.map((kept) => ({ ref: kept.ref, newSha: kept.sha, expectedOld: null })),
    ]);
  } catch (error) {
    await db.tenant(org_id, async (tx) => {
      await commits.deletePendingCommit(tx, agent_id, sha);
      await merges.deletePendingMerge(tx, id);
    });
    throw error;
  }
  await recoverSync(deps, workspace, sync);
  return (await db.tenant(org_id, (tx) => merges.findMerge(tx, agent_id, id))) as Merge;
}
