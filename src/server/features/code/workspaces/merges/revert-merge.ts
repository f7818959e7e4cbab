/** Undoes a merge, or restores a conflict's losing version, by a new commit on the target branch. */
import type { Merge } from "#shared/api/code/merges.js";
import type { MergeDriver } from "#shared/code/merge-drivers.js";
import { newId } from "../../../../db/tables/columns.js";
import { AppError, notFound } from "../../../../errors.js";
import {
  applyDecisions,
  computeMerge,
  currentDrivers,
  type DataMerges,
  type Decision,
} from "#git/merge/merge.js";
import { commitTree, isAncestor, resolveCommit } from "#git/store/repository.js";
import type { Actor } from "../../../../access/authenticate.js";
import type { OrgContext } from "../../../../http/requests/request-context.js";
import { applyMerge, retryOnRefMoved, type PreparedMerge } from "./apply-merge.js";
import * as merges from "./merges.queries.js";
import type { RecordedMerge } from "./merges.queries.js";
import {
  resolveStrategy,
  mergeOf,
  requireExpectedState,
  type DecidedRequest,
  type MergeState,
  subjectOf,
} from "./prepare-merge.js";
import { measureMerge } from "./measure-merge.js";
import { keepRef, planDecidedMerge, type MergeInput } from "./planning/plan-merge.js";
import { answerUnavailable, withDataMerges } from "./planning/data-merges.js";
import type { RegenerationRules } from "./planning/regenerate-files.js";
import { withRegeneration } from "./with-regeneration.js";
import { isVisible } from "../visible-branches.js";
import { branchLock, branchRef, requireWorkspace, type WorkspaceDeps } from "../workspace.js";

export interface UndoRequest extends DecidedRequest {
  message?: string | undefined;
}

/** The undone merge, and the commit whose files to go back to: a created one or the parent. */
interface Undo {
  kind: "revert" | "restore";
  /** @throws AppError 422 */
  wanted: (
    repoPath: string,
    merge: RecordedMerge,
    author: Author,
    date: Date,
    data: DataMerges,
  ) => Promise<string>;
  message: (merge: RecordedMerge) => string;
}

type Author = { name: string; email: string };

/** A merge to be undone, with the current author and merge drivers of its workspace. */
export interface Undone {
  merge: RecordedMerge;
  author: Author;
  drivers: MergeDriver[];
}

/**
 * Reverts a merge by a new commit on its target branch; later changes stay. When later changes
 * conflict, the request must resolve them: `source` is the state before the merge, `target` the branch.
 * @throws AppError 404; 409 `already_reverted`, `merge_gone`, `sync_not_revertible`, `merge_conflict`;
 * 412 `stale`; 422
 */
export function revertMerge(
  deps: WorkspaceDeps,
  context: OrgContext,
  agentId: string,
  mergeId: string,
  request: UndoRequest,
): Promise<Merge> {
  return undo(deps, context, agentId, mergeId, request, reverting);
}

const reverting: Undo = {
  kind: "revert",
  wanted: async (_store, merge) => merge.target_commit,
  message: ({ source_branch, merge_commit, kind }) =>
    `Revert the ${kind} of ${source_branch}\n\nThis undoes commit ${merge_commit}.`,
};

/**
 * Restores the losing versions of a merge's conflicts by a new commit on its target branch; later
 * changes stay, as in a revert.
 * @throws AppError as `revertMerge`; 422 for a path without another version
 */
export function restoreVersion(
  deps: WorkspaceDeps,
  context: OrgContext,
  agentId: string,
  mergeId: string,
  request: UndoRequest & { paths: readonly string[] },
): Promise<Merge> {
  return undo(deps, context, agentId, mergeId, request, restoring(request.paths));
}

const restoring = (paths: readonly string[]): Undo => ({
  kind: "restore",
  wanted: (repoPath, merge, author, date, data) =>
    commitOtherVersions(repoPath, merge, paths, author, date, data),
  message: ({ merge_commit }) =>
    `Restore the other version of ${paths.length === 1 ? paths[0] : `${paths.length} paths`}\n\nIt lost in commit ${merge_commit}.`,
});

function undo(
  deps: WorkspaceDeps,
  context: OrgContext,
  agentId: string,
  mergeId: string,
  request: UndoRequest,
  undoing: Undo,
): Promise<Merge> {
  return withRegeneration(deps, context, agentId, (regeneration) =>
    measureMerge(() => undoNow(deps, context, agentId, mergeId, request, undoing, regeneration)),
  );
}

/** @throws RegenerationRequired */
async function undoNow(
  deps: WorkspaceDeps,
  context: OrgContext,
  agentId: string,
  mergeId: string,
  request: UndoRequest,
  undoing: Undo,
  regeneration: RegenerationRules,
): Promise<Merge> {
  const { project_id, target_branch } = (await readUndone(context, agentId, mergeId)).merge;
  return deps.db.locks(context.orgId, [branchLock(project_id, target_branch)], async () => {
    const undone = await readUndone(context, agentId, mergeId);
    return retryOnRefMoved(async () => {
      const prepared = await prepareUndo(deps, undone, request, undoing, { regeneration });
      return "upToDate" in prepared ? prepared.upToDate : applyMerge(deps, context, prepared);
    });
  });
}

/** Returns how to revert a merge, or to restore the losing versions of the given paths. */
export const undoOf = (paths: readonly string[] | undefined): Undo =>
  paths === undefined ? reverting : restoring(paths);

/**
 * Runs work on the computed undo.
 * @throws AppError as `revertMerge`
 */
export async function withUndo<Result>(
  deps: WorkspaceDeps,
  context: OrgContext,
  agentId: string,
  mergeId: string,
  request: DecidedRequest & { paths?: readonly string[] },
  work: (input: MergeInput) => Promise<Result>,
): Promise<Result> {
  const undone = await readUndone(context, agentId, mergeId);
  const { merge, author } = undone;
  requireNotReverted(merge);
  const undoing = undoOf(request.paths);
  const regeneration = withDataMerges(deps, context.orgId);
  const { data } = regeneration;
  const source = await undoing.wanted(repoPathOf(deps, merge), merge, author, new Date(), data);
  const state = { source, regeneration };
  return work(await currentInput(deps, undone, request, undoing.kind, null, state));
}

const repoPathOf = (deps: WorkspaceDeps, { org_id, project_id }: RecordedMerge): string =>
  deps.storage.repository(org_id, project_id);

/** @throws AppError 404; 409 `sync_not_revertible` */
export async function readUndone(
  context: Pick<OrgContext, "tx"> & { actor: Pick<Actor, "agent"> },
  agentId: string,
  mergeId: string,
): Promise<Undone> {
  return context.tx(async (tx) => {
    const merge = await merges.findRecorded(tx, agentId, mergeId);
    if (!merge || !(await isVisible(tx, context.actor, merge))) throw notFound();
    if (merge.kind === "sync") {
      throw new AppError(
        "sync_not_revertible",
        "A sync only changes the workspace; change its files there and commit them.",
      );
    }
    const { agent_name, merge_drivers } = await requireWorkspace(tx, agentId);
    const author = { name: agent_name, email: `${agentId}@agents.omoi` };
    return { merge, author, drivers: merge_drivers };
  });
}

/** @throws AppError 409 `already_reverted` */
function requireNotReverted({ reverted_by }: RecordedMerge): void {
  if (reverted_by === null) return;
  throw new AppError(
    "already_reverted",
    "The merge is already reverted; revert the revert to restore it.",
    { reverted_by },
  );
}

/**
 * Returns the inputs of the undo with the current branch.
 * @throws AppError 409 `merge_gone`; 412 `stale`
 */
async function currentInput(
  deps: WorkspaceDeps,
  { merge, drivers }: Undone,
  request: DecidedRequest,
  kind: Undo["kind"],
  mergeId: string | null,
  { source, target: given, regeneration }: Pick<MergeState, "source" | "target" | "regeneration">,
): Promise<MergeInput> {
  const repoPath = repoPathOf(deps, merge);
  const { target_branch, merge_commit } = merge;
  const target = given ?? (await resolveCommit(repoPath, branchRef(target_branch)));
  if (target === null || !(await isAncestor(repoPath, merge_commit, target))) {
    throw new AppError("merge_gone", `The branch ${target_branch} no longer contains the merge.`);
  }
  await requireExpectedState(repoPath, request, { source, target });
  return {
    ...inputOf({ ...merge, kind, base_commit: merge_commit }),
    mergeId,
    source,
    target,
    drivers: currentDrivers(drivers),
    ...(regeneration && { regeneration }),
    ...resolveStrategy(request, "manual"),
  };
}

/**
 * Computes an undo and stores its commit, without moving a ref.
 * @throws AppError as `revertMerge`
 * @throws RegenerationRequired
 */
export async function prepareUndo(
  deps: WorkspaceDeps,
  undone: Undone,
  request: UndoRequest,
  { kind, wanted, message }: Undo,
  { date = new Date(), ...state }: Pick<MergeState, "target" | "date" | "regeneration"> = {},
): Promise<PreparedMerge | { upToDate: Merge }> {
  const { merge, author } = undone;
  requireNotReverted(merge);
  const { org_id, project_id, agent_id, source_branch, target_branch } = merge;
  const repoPath = repoPathOf(deps, merge);
  const id = newId();
  const regeneration = withDataMerges(deps, org_id, state.regeneration);
  const source = await wanted(repoPath, merge, author, date, regeneration.data);
  const now = { ...state, source, regeneration };
  const input = await currentInput(deps, undone, request, kind, id, now);
  const { target } = input;
  const plan = await planDecidedMerge(deps, input);
  if (plan.upToDate) {
    return { upToDate: { ...mergeOf(input, plan, { kind, of_merge: merge.id }), source_branch } };
  }

  const text = request.message ?? message(merge);
  const sha = await commitTree(repoPath, {
    tree: plan.tree,
    parents: [target],
    message: text,
    author,
    date,
  });
  const ref = keepRef(id, "source");
  // A commit created for a restore is in no branch, so a ref keeps it.
  const keep = [...plan.keep.filter((kept) => kept.ref !== ref), { ref, sha: source }];
  return {
    row: {
      id,
      kind,
      of_merge: merge.id,
      org_id,
      project_id,
      agent_id,
      source_branch,
      target_branch,
      source_commit: source,
      target_commit: target,
      base_commit: merge.merge_commit,
      merge_commit: sha,
      subject: subjectOf(text),
      strategy: input.strategy,
      status: plan.resolutions.length > 0 ? "conflict_resolved" : "clean",
      resolutions: plan.resolutions,
      decisions: plan.decisions,
      drivers: plan.drivers,
      driver_files: plan.driverFiles,
    },
    keep,
  };
}

/** Returns the inputs of an applied merge, to compute it again. */
export function inputOf(merge: Omit<RecordedMerge, "id">): MergeInput {
  const { kind, base_commit } = merge;
  const mark = base_commit?.slice(0, 12) ?? "";
  const names = {
    merge: merge.source_branch,
    sync: merge.source_branch,
    revert: `before-${mark}`,
    restore: `lost-in-${mark}`,
  };
  return {
    org_id: merge.org_id,
    project_id: merge.project_id,
    mergeId: null,
    source: merge.source_commit,
    target: merge.target_commit,
    base: base_commit,
    drivers: merge.drivers,
    unsaved: false,
    strategy: merge.strategy,
    choices: { recorded: decisionsOf(merge) },
    workspace: kind === "sync" ? "target" : "source",
    branches: { source: names[kind], target: merge.target_branch },
  };
}

function decisionsOf({
  decisions,
  resolutions,
}: Pick<RecordedMerge, "decisions" | "resolutions">): Decision[] {
  return (
    decisions ??
    resolutions.map(({ winner }) => ({ take: winner === "target" ? winner : "source" }))
  );
}

/** Creates a commit of the merge's files with the other side winning the conflicts of the given paths. */
async function commitOtherVersions(
  repoPath: string,
  merge: RecordedMerge,
  paths: readonly string[],
  author: Author,
  date: Date,
  data: DataMerges,
): Promise<string> {
  const { source, target, base, drivers, branches } = inputOf(merge);
  const computed = await answerUnavailable(() =>
    computeMerge(repoPath, target, source, base, drivers, { data }),
  );
  const decisions = decisionsOf(merge);
  for (const [at, path] of paths.entries()) {
    const index = merge.resolutions.findIndex((resolution) => resolution.paths.includes(path));
    const winner = merge.resolutions[index]?.winner;
    if (winner === undefined || winner === "merged") {
      const msg =
        winner === "merged"
          ? "was resolved with custom content; no single other version exists"
          : "is not a conflict of this merge";
      throw new AppError("validation_failed", `paths.${at} ${msg}.`, {
        errors: [{ loc: ["body", "paths", at], msg, type: "unknown_path" }],
      });
    }
    decisions[index] = { take: winner === "source" ? "target" : "source" };
  }
  const { tree } = await applyDecisions(repoPath, computed, decisions, branches);
  const message = "What lost";
  return commitTree(repoPath, {
    tree,
    parents: [merge.merge_commit],
    message,
    author,
    date,
  });
}
