/** The consequences of a merge on the forge. */
import { isAncestor, resolveCommit } from "#git/store/repository.js";
import { AppError } from "../../../../errors.js";
import { fetchInBackground } from "../../../code/projects/index.js";
import { archiveMerged, recordForgeMerge } from "../../../code/workspaces/index.js";
import type { PullRequestDeps } from "./advance-pull-request.js";
import * as queries from "./pull-requests.queries.js";
import type { PullRequestRow } from "./pull-requests.queries.js";

/**
 * Finishes the task of a merged request once the base branch was fetched, so that tasks that wait for it start with what
 * it has: the merge is recorded, the workspace archived and the task done. The caller holds the lock. A server that was
 * killed in between does it again.
 */
export async function finishMerged(deps: PullRequestDeps, row: PullRequestRow): Promise<void> {
  const { org_id: orgId, project_id } = row;
  if (row.state !== "merged" || row.finished_at !== null) return;
  let hasCommit = await hasMergedCommit(deps, row);
  if (!hasCommit) {
    if (!(await deps.db.tenant(orgId, (tx) => queries.hasFetchedSince(tx, row)))) {
      await fetchInBackground(deps, { org_id: orgId, project_id });
      return;
    }
    // The fetch may have ended since.
    hasCommit = await hasMergedCommit(deps, row);
  }
  if (hasCommit) await recordAndArchive(deps, row);
  await deps.db.tenant(orgId, (tx) => queries.finishTask(tx, row));
}

async function recordAndArchive(deps: PullRequestDeps, row: PullRequestRow): Promise<void> {
  const { org_id: orgId, id } = row;
  const attempt = await deps.db.tenant(orgId, (tx) => queries.findMergedAttempt(tx, id));
  const source = row.pushed_sha ?? row.head_sha;
  if (!attempt || source === null || row.merged_sha === null) return;
  const isRecorded = await recordForgeMerge(deps.workspaces, {
    id,
    org_id: orgId,
    project_id: row.project_id,
    agent_id: attempt.agent_id,
    source_commit: source,
    target_branch: row.base,
    merge_commit: row.merged_sha,
    subject: row.title,
  });
  // Work that was not merged stays where it is, as does an agent that works on.
  if (!isRecorded || attempt.head_commit !== source || attempt.is_working) return;
  try {
    await archiveMerged(deps.workspaces, orgId, attempt.agent_id);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    deps.log.warn({ err: error, pull_request: id }, "a merged workspace is not archived");
  }
}

async function hasMergedCommit(
  { storage }: PullRequestDeps,
  { org_id, project_id, base, merged_sha }: PullRequestRow,
): Promise<boolean> {
  if (merged_sha === null) return false;
  const repoPath = storage.repository(org_id, project_id);
  const tip = await resolveCommit(repoPath, `refs/heads/${base}`);
  if (tip === null || (await resolveCommit(repoPath, merged_sha)) === null) return false;
  return isAncestor(repoPath, merged_sha, tip);
}
