/** What is done about a branch that is elsewhere than the database says. */
import { systemOrigin } from "../../db/audit/audit.js";
import { newId } from "../../db/tables/columns.js";
import { AppError } from "../../errors.js";
import { commitsOnLine } from "#git/diff/diff.js";
import { isAncestor, resolveCommit } from "#git/store/repository.js";
import { recoverPushes } from "./pushes/recover-pushes.js";
import * as pushes from "./pushes/pushes.queries.js";
import type { PendingPush } from "./pushes/pushes.queries.js";
import { branchRef, placesOf, type ActiveWorkspace, type WorkspaceDeps } from "./workspace.js";

/** Commits that are taken over at a time. */
const MAX_LINE = 10_000;

/**
 * Compares a workspace's branch with the database, for the holder of its lock with nothing pending. They
 * differ where an older database was restored beside newer repositories. Commits that the database does not
 * know are taken over as a push of them would be.
 * @returns whether the workspace has changed
 * @throws AppError 409 `repository_mismatch` where the branch does not hold the database's commit
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
        "they come from different backups. Whoever runs the server restores both from one backup; nothing was changed.",
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
