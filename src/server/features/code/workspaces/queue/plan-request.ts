import type { Merge } from "#shared/api/code/merges.js";
import type { ProtectedBranch } from "#shared/code/protection.js";
import { TreeReader } from "#git/objects/tree-reader.js";
import { displayPath } from "#git/files/safe-folder.js";
import { AppError } from "../../../../errors.js";
import type { PreparedMerge } from "../merges/apply-merge.js";
import { requireBranchName } from "../branch-rules/protection.js";
import { prepareMerge } from "../merges/prepare-merge.js";
import type { RegenerationRules } from "../merges/planning/regenerate-files.js";
import { prepareUndo, readUndone, undoOf } from "../merges/revert-merge.js";
import { requireWorkspace, type WorkspaceDeps } from "../workspace.js";
import type { OpenRequest, RequestRow } from "./merge-requests.queries.js";

/** A request with its merge on the candidate before it. */
export interface Candidate {
  request: OpenRequest;
  prepared: PreparedMerge;
}

/**
 * Computes a request on a commit of its target. Its merge commit has the time of the request, so the
 * same request on the same commit gives the same commit again, after a restart too.
 * @param ahead commits of the target that have not landed yet
 * @throws AppError 404, 409, 422 if it cannot be merged
 * @throws RegenerationRequired
 */
export async function planRequest(
  deps: WorkspaceDeps,
  request: RequestRow,
  entries: ProtectedBranch[],
  target: string,
  ahead: ReadonlySet<string>,
): Promise<PreparedMerge | { upToDate: Merge }> {
  const { org_id, agent_id, target_branch, source_branch, source_commit: source } = request;
  const date = new Date(request.created_at);
  const tx = <Result>(work: Parameters<typeof deps.db.tenant<Result>>[1]) =>
    deps.db.tenant(org_id, work);
  // The rules may have changed since the request was made.
  requireBranchName(entries, target_branch);
  await requireSameTarget(deps, request, target);
  const { strategy, resolutions, message, paths } = request.request;
  const work = { strategy, resolutions, message };
  // A command that failed for this request is not run again for it.
  const regeneration: RegenerationRules = {
    isRequired: true,
    countsFailure: ({ ended_at }) => ended_at !== null && ended_at >= request.created_at,
  };
  if (request.of_merge !== null) {
    const undone = await readUndone({ tx, actor: { agent: null } }, agent_id, request.of_merge);
    return prepareUndo(deps, undone, work, undoOf(paths), { target, date, regeneration });
  }
  if (source === null) throw new Error(`the merge request ${request.id} has no source`);
  const workspace = await tx((db) => requireWorkspace(db, agent_id));
  const merged = { ...workspace, branch_name: source_branch, protected_branches: entries };
  const state = { source, target, ahead, date, regeneration };
  return prepareMerge(deps, merged, target_branch, work, state);
}

/**
 * Requires that the target still has the files that were resolved by hand: lines chosen for one state
 * must not be applied to another.
 * @throws AppError 409 `merge_conflict`
 */
async function requireSameTarget(
  { storage }: WorkspaceDeps,
  { org_id, project_id, target_branch, request }: RequestRow,
  target: string,
): Promise<void> {
  const { resolutions, decided_target } = request;
  if (resolutions === undefined || decided_target === undefined) return;
  if (decided_target === target) return;
  const trees = new TreeReader(storage.repository(org_id, project_id));
  const differing = await trees.differing(decided_target, target);
  const changed = new Set([...differing.keys()].map(displayPath));
  const path = resolutions.find((resolution) => changed.has(resolution.path))?.path;
  if (path === undefined) return;
  throw new AppError(
    "merge_conflict",
    `${path} has changed on ${target_branch} since its conflict was resolved; resolve it again.`,
  );
}
