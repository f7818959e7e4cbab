/** Computes a merge of a workspace and stores its commit. */
import type { Choice, Merge, MergeStrategy } from "#shared/api/code/merges.js";
import { newId } from "../../../../db/tables/columns.js";
import { AppError, invalidField } from "../../../../errors.js";
import { currentDrivers } from "#git/merge/merge.js";
import { commitTree, resolveCommit, resolveTree } from "#git/store/repository.js";
import { RefMovedError } from "#git/store/refs.js";
import { requiredStrategy } from "../branch-rules/protection.js";
import { branchRef, placesOf, type ActiveWorkspace, type WorkspaceDeps } from "../workspace.js";
import type { PreparedMerge } from "./apply-merge.js";
import {
  planDecidedMerge,
  planDisjointMerge,
  type MergeInput,
  type MergePlan,
} from "./planning/plan-merge.js";
import type { RegenerationRules } from "./planning/regenerate-files.js";

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
  const input = await inputOf(deps, workspace, targetBranch, request, state);
  const plan = await planDecidedMerge(deps, input);
  if (plan.upToDate) return { upToDate: mergeOf(input, plan) };
  return storeMerge(deps, workspace, request, input, plan, state.date);
}

/**
 * Same as `prepareMerge` for two sides that changed different files; null for others, for a merge that
 * changes nothing, and for one that another target may allow.
 */
export async function prepareDisjointMerge(
  deps: WorkspaceDeps,
  workspace: MergedWorkspace,
  targetBranch: string,
  request: MergeRequest,
  state: MergeState,
): Promise<PreparedMerge | null> {
  try {
    const input = await inputOf(deps, workspace, targetBranch, request, state);
    const plan = await planDisjointMerge(deps, input);
    return plan && (await storeMerge(deps, workspace, request, input, plan, state.date));
  } catch (error) {
    if (error instanceof AppError) return null;
    throw error;
  }
}

/** Stores the commit of a planned merge. */
async function storeMerge(
  deps: WorkspaceDeps,
  workspace: MergedWorkspace,
  request: MergeRequest,
  input: MergeInput & { mergeId: string },
  plan: MergePlan,
  date = new Date(),
): Promise<PreparedMerge> {
  const { org_id, project_id, agent_id } = workspace;
  const { source, target, branches, strategy } = input;
  const message = request.message ?? defaultMessage(workspace, branches.target);
  const sha = await commitTree(placesOf(deps, workspace).repoPath, {
    tree: plan.tree,
    parents: [target, source],
    message,
    author: { name: workspace.agent_name, email: `${agent_id}@agents.omoi` },
    date,
  });
  return {
    row: {
      id: input.mergeId,
      kind: "merge",
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
    },
    keep: plan.keep,
  };
}

/** Returns the first line of a message, as the database can store it. */
export function subjectOf(message: string): string {
  const [line = ""] = message.trim().split("\n");
  return Buffer.from(line.replaceAll("\0", "").slice(0, MAX_SUBJECT)).toString();
}

/** Maximum length of a merge's title, in UTF-16 code units. */
const MAX_SUBJECT = 300;

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

/**
 * Returns the input of a merge with a new id.
 * @throws AppError 409 `branch_protected`; 412 `stale`; 422
 * @throws RefMovedError when the target branch is gone
 */
export async function inputOf(
  deps: WorkspaceDeps,
  workspace: MergedWorkspace,
  targetBranch: string,
  request: MergeRequest,
  { source, target: given, ahead, regeneration }: MergeState,
): Promise<MergeInput & { mergeId: string }> {
  const { repoPath } = placesOf(deps, workspace);
  const target = given ?? (await resolveCommit(repoPath, branchRef(targetBranch)));
  if (target === null) throw new RefMovedError(branchRef(targetBranch));
  await requireExpectedState(repoPath, request, { source, target });
  const strategy = requiredStrategy(workspace.protected_branches, targetBranch, request);
  return {
    org_id: workspace.org_id,
    project_id: workspace.project_id,
    mergeId: newId(),
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
    subject: null,
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
