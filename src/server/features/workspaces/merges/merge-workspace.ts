import type { Choice, Conflicts, Merge, MergeStrategy } from "#shared/api/projects/merges.js";
import { newId } from "../../../db/tables/columns.js";
import { AppError, invalidField } from "../../../errors.js";
import { currentDrivers } from "#git/merge/merge.js";
import { commitTree, resolveCommit, resolveTree } from "#git/store/repository.js";
import { RefMovedError } from "#git/store/refs.js";
import type { OrgContext } from "../../../http/request-context.js";
import { activeUnderLock, commitUnderLock } from "../commits/commit-workspace.js";
import { applyMerge, retryOnRefMoved, type PreparedMerge } from "./apply-merge.js";
import { measureMerge } from "./measure-merge.js";
import { withMergeLease } from "./merge-lease.js";
import { withRegeneration } from "./with-regeneration.js";
import { planDecidedMerge, type MergeInput, type MergePlan } from "./planning/plan-merge.js";
import { readConflicts } from "./planning/read-conflicts.js";
import type { RegenerationRules } from "./planning/regenerate-files.js";
import { requireUnprotected, requiredStrategy } from "../queue/protection.js";
import type { QueueDeps } from "../queue/queue-deps.js";
import { requireMergeTarget, visibleBranches } from "../visible-branches.js";
import {
  branchLock,
  branchRef,
  placesOf,
  requireActive,
  snapshotOf,
  workspaceLock,
  type ActiveWorkspace,
  type WorkspaceDeps,
} from "../workspace.js";

/** The strategy and resolutions of conflicts, and the state they refer to. */
export interface DecidedRequest {
  strategy?: MergeStrategy | undefined;
  resolutions?: readonly Choice[] | undefined;
  expected_source?: string | undefined;
  expected_target?: string | undefined;
}

/** A merge of a workspace as it was requested. */
export interface MergeRequest extends DecidedRequest {
  target_branch?: string | undefined;
  message?: string | undefined;
}

/**
 * Merges the workspace's branch into the target by a commit with two parents, or returns `up_to_date`.
 * Merges into one branch are queued in order. Uncommitted changes are committed before the merge enters
 * the queue, so that other merges into the branch do not wait for it.
 * @throws AppError 409 `unsaved_changes`, `workspace_not_active`, `merge_conflict`; 412 `stale`; 422
 * for an unknown target or a resolution of a path without conflict
 */
export function mergeWorkspace(
  deps: QueueDeps,
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
  const own = workspaceLock(agentId);
  return measureMerge(() =>
    withMergeLease(db, { orgId, agentId }, async () => {
      const started = await db.locks(orgId, [own], async (tryMore) => {
        const workspace = await activeUnderLock(deps, orgId, agentId);
        const { projectId, branch } = await targetOf(deps, context, workspace, request);
        requireUnprotected(workspace.protected_branches, branch);
        const saved = await commitUnsavedChanges(deps, context, workspace);
        const lock = branchLock(projectId, branch);
        if (!(await tryMore(lock))) return { branch, lock };
        return {
          merge: await mergeUnderLocks(deps, context, saved, branch, request, regeneration),
        };
      });
      if ("merge" in started) return started.merge;
      return db.locks(orgId, [own, started.lock], async () => {
        const workspace = await activeUnderLock(deps, orgId, agentId);
        return mergeUnderLocks(deps, context, workspace, started.branch, request, regeneration);
      });
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
 * Runs work on the computed merge under the workspace's lock.
 * @throws AppError as `mergeWorkspace`
 */
export async function withMerge<Result>(
  deps: WorkspaceDeps,
  context: OrgContext,
  agentId: string,
  request: MergeRequest,
  work: (input: MergeInput) => Promise<Result>,
): Promise<Result> {
  return deps.db.locks(context.orgId, [workspaceLock(agentId)], async () => {
    const workspace = await activeUnderLock(deps, context.orgId, agentId);
    const target = await targetOf(deps, context, workspace, request);
    const { repoPath } = placesOf(deps, workspace);
    const { commit, unsaved } = await headWithUnsaved(deps, workspace);
    const state = { source: commit };
    const input = await inputOf(repoPath, workspace, target.branch, request, null, state);
    return work({ ...input, unsaved });
  });
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

/** Merges under the locks of the workspace and the target branch. */
function mergeUnderLocks(
  deps: WorkspaceDeps,
  context: OrgContext,
  workspace: ActiveWorkspace,
  branch: string,
  request: MergeRequest,
  regeneration: RegenerationRules,
): Promise<Merge> {
  return retryOnRefMoved(() => mergeOnce(deps, context, workspace, branch, request, regeneration));
}

async function mergeOnce(
  deps: WorkspaceDeps,
  context: OrgContext,
  workspace: ActiveWorkspace,
  targetBranch: string,
  request: MergeRequest,
  regeneration: RegenerationRules,
): Promise<Merge> {
  requireUnprotected(workspace.protected_branches, targetBranch);
  const state = { source: workspace.head_commit, regeneration };
  const prepared = await prepareMerge(deps, workspace, targetBranch, request, state);
  return "upToDate" in prepared ? prepared.upToDate : applyMerge(deps, context, prepared);
}

/** The commits of a merge, and the time of its merge commit. */
export interface MergeState {
  /** The merged commit. */
  source: string;
  /** The commit merged into; by default the tip of the target branch. */
  target?: string;
  /** Commits of the target that have not landed yet. */
  ahead?: ReadonlySet<string>;
  /** The date of the merge commit, which makes its id reproducible; by default the current time. */
  date?: Date;
  /** By default those of a preview. */
  regeneration?: RegenerationRules;
}

/**
 * Computes a merge of a workspace's commit and stores its commit, without moving a ref.
 * @throws AppError 409 `merge_conflict`; 412 `stale`; 422
 * @throws RefMovedError when the target branch is gone
 * @throws RegenerationRequired
 */
export async function prepareMerge(
  deps: WorkspaceDeps,
  workspace: MergedWorkspace,
  targetBranch: string,
  request: MergeRequest,
  state: MergeState,
): Promise<PreparedMerge | { upToDate: Merge }> {
  const { org_id, project_id, agent_id } = workspace;
  const { repoPath } = placesOf(deps, workspace);
  const id = newId();
  const input = await inputOf(repoPath, workspace, targetBranch, request, id, state);
  const plan = await planDecidedMerge(deps, input);
  if (plan.upToDate) return { upToDate: mergeOf(input, plan) };

  const sha = await commitTree(repoPath, {
    tree: plan.tree,
    parents: [input.target, input.source],
    message: request.message ?? defaultMessage(workspace, targetBranch),
    author: { name: workspace.agent_name, email: `${agent_id}@agents.omoi` },
    date: state.date ?? new Date(),
  });
  return {
    row: {
      id,
      kind: "merge",
      of_merge: null,
      org_id,
      project_id,
      agent_id,
      source_branch: input.branches.source,
      target_branch: targetBranch,
      source_commit: input.source,
      target_commit: input.target,
      base_commit: null,
      merge_commit: sha,
      strategy: input.strategy,
      status: plan.resolutions.length > 0 ? "conflict_resolved" : "clean",
      resolutions: plan.resolutions,
      decisions: plan.decisions,
      drivers: plan.drivers,
      driver_files: plan.driverFiles,
    },
    keep: plan.keep,
  };
}

/** Returns the subject and body of a merge commit; the task's title comes first. */
export function defaultMessage(
  { branch_name, task_title }: Pick<MergedWorkspace, "branch_name" | "task_title">,
  targetBranch: string,
): string {
  const merge = `Merge ${branch_name} into ${targetBranch}`;
  // A subject has one line.
  return task_title === null ? merge : `${task_title.replaceAll(/\s+/g, " ")}\n\n${merge}`;
}

/** The parts of a workspace that a merge of one of its commits needs. */
export type MergedWorkspace = Pick<
  ActiveWorkspace,
  | "org_id"
  | "project_id"
  | "agent_id"
  | "agent_name"
  | "branch_name"
  | "merge_drivers"
  | "task_title"
  | "merge_strategy"
  | "protected_branches"
>;

async function inputOf(
  repoPath: string,
  workspace: MergedWorkspace,
  targetBranch: string,
  request: MergeRequest,
  mergeId: string | null,
  { source, target: given, ahead, regeneration }: MergeState,
): Promise<MergeInput> {
  const target = given ?? (await resolveCommit(repoPath, branchRef(targetBranch)));
  if (target === null) throw new RefMovedError(branchRef(targetBranch));
  await requireExpectedState(repoPath, request, { source, target });
  const strategy = requiredStrategy(workspace.protected_branches, targetBranch, request);
  return {
    org_id: workspace.org_id,
    project_id: workspace.project_id,
    mergeId,
    source,
    target,
    base: null,
    drivers: currentDrivers(workspace.merge_drivers),
    unsaved: false,
    ...(ahead && { ahead }),
    ...(regeneration && { regeneration }),
    workspace: "source",
    ...resolveStrategy(request, strategy ?? workspace.merge_strategy),
    branches: { source: workspace.branch_name, target: targetBranch },
  };
}

/**
 * Returns the resolving strategy; resolutions imply `manual`.
 * @throws AppError 422
 */
export function resolveStrategy(
  { strategy, resolutions }: DecidedRequest,
  otherwise: MergeStrategy,
): Pick<MergeInput, "strategy" | "choices"> {
  if (resolutions === undefined) return { strategy: strategy ?? otherwise, choices: [] };
  if (strategy !== undefined && strategy !== "manual") {
    throw invalidField("resolutions", `require the strategy manual, not ${strategy}`);
  }
  return { strategy: "manual", choices: resolutions };
}

/**
 * @param remade the side whose commit is created for each call; its tree is compared, because a
 * checkpoint of uncommitted changes differs from that of the preview
 * @throws AppError 412 `stale` when the caller saw another state
 */
export async function requireExpectedState(
  repoPath: string,
  { expected_source, expected_target }: DecidedRequest,
  now: { source: string; target: string },
  remade: "source" | "target" = "source",
): Promise<void> {
  const seen = { source: expected_source ?? now.source, target: expected_target ?? now.target };
  const other = remade === "source" ? "target" : "source";
  const isSame =
    seen[other] === now[other] &&
    (seen[remade] === now[remade] ||
      ((await resolveCommit(repoPath, seen[remade])) !== null &&
        (await resolveTree(repoPath, seen[remade])) ===
          (await resolveTree(repoPath, now[remade]))));
  if (isSame) return;
  throw new AppError("stale", "A branch has changed since the conflicts were loaded; reload them.");
}

/** Returns an unapplied merge in its API form. */
export function mergeOf(
  input: MergeInput,
  plan: MergePlan,
  of: Pick<Merge, "kind" | "of_merge"> = { kind: "merge", of_merge: null },
): Merge {
  return {
    id: null,
    ...of,
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
    driver_files: plan.driverFiles,
    reverted_by: null,
    created_at: new Date().toISOString(),
  };
}
