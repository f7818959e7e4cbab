/** Reconciles a branch that differs from the database. */
import { systemOrigin } from "../../../db/audit/audit.js";
import { newId } from "../../../db/tables/columns.js";
import { AppError } from "../../../errors.js";
import { commitsOnLine } from "#git/diff/diff.js";
import { isAncestor, resolveCommit } from "#git/store/repository.js";
import { recoverPushes } from "./pushes/recover-pushes.js";
import * as pushes from "./pushes/pushes.queries.js";
import type { PendingPush } from "./pushes/pushes.queries.js";
import { branchRef, placesOf, type ActiveWorkspace, type WorkspaceDeps } from "./workspace.js";

/** Maximum number of commits adopted at once. */
const MAX_LINE = 10_000;

/**
 * Compares a workspace's branch with the database, under its lock and with nothing pending. They differ
 * after an older database was restored next to newer repositories. Unknown commits are adopted like a
 * push.
 * @returns whether the workspace has changed
 * @throws AppError 409 `repository_mismatch` when the branch lacks the database's commit
 */
export async function reconcileBranch(
  deps: WorkspaceDeps,
  workspace: ActiveWorkspace,
): Promise<boolean> {
  const { org_id, project_id, agent_id, branch_name, head_commit: head } = workspace;
  const { repoPath } = placesOf(deps, workspace);
  const ref = branchRef(branch_name);
  const tip = await resolveCommit(repoPath, ref);
  if (tip === head) return false;
  const isKnown = tip !== null && (await resolveCommit(repoPath, head)) !== null;
  const line =
    isKnown && (await isAncestor(repoPath, head, tip))
      ? await commitsOnLine(repoPath, head, tip, MAX_LINE + 1)
      : [];
  if (tip === null || line.length === 0 || line.length > MAX_LINE) {
    throw new AppError(
      "repository_mismatch",
      `The branch ${branch_name} is at ${tip ?? "no commit"} in the repository and at ${head} in the database: ` +
        "they come from different backups. The operator must restore both from one backup; nothing was changed.",
    );
  }
  const push: PendingPush = {
    id: newId(),
    org_id,
    project_id,
    agent_id,
    ref,
    old_sha: head,
    new_sha: tip,
    origin: systemOrigin,
  };
  await deps.db.write(org_id, async (tx) => {
    await pushes.insertPendingPushes(tx, [push]);
    await pushes.insertPushedCommits(tx, { org_id, agent_id }, line);
  });
  await recoverPushes(deps, org_id, systemOrigin, [push]);
  return true;
}
