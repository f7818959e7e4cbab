import type { Queryable } from "../../../db/connection/connect.js";
import { invalidField } from "../../../errors.js";
import type { Actor } from "../../../access/authenticate.js";
import { resolveCommit } from "#git/store/repository.js";
import { isMergeTarget } from "./merges/planning/plan-merge.js";
import { listBranchesOfAgent } from "./workspaces.queries.js";
import { branchRef } from "./workspace.js";

/**
 * Returns the branches visible to an actor, by git and API alike: of its own project an agent sees the
 * default branch, its own, its base and its parent's branch; of another project the default branch.
 * Null for a user, who sees all.
 */
export async function visibleBranches(
  tx: Queryable,
  { agent }: Pick<Actor, "agent">,
  projectId: string,
): Promise<ReadonlySet<string> | null> {
  return agent ? new Set(await listBranchesOfAgent(tx, agent.id, projectId)) : null;
}

/** Whether an actor may read a merge, which requires its target to be visible. */
export async function isVisible(
  tx: Queryable,
  actor: Pick<Actor, "agent">,
  { project_id, target_branch }: { project_id: string; target_branch: string },
): Promise<boolean> {
  return (await visibleBranches(tx, actor, project_id))?.has(target_branch) ?? true;
}

/**
 * Requires a branch that an actor may read and merge with. A hidden branch gets the error of a missing
 * one.
 * @param visible from `visibleBranches`
 * @throws AppError 422 naming the field
 */
export async function requireMergeTarget(
  field: "base_branch" | "target_branch",
  branch: string,
  repoPath: string,
  visible: ReadonlySet<string> | null,
): Promise<void> {
  const isVisible = visible?.has(branch) ?? true;
  if (isVisible && isMergeTarget(branch) && (await resolveCommit(repoPath, branchRef(branch))))
    return;
  throw invalidField(field, `is not a branch to merge into: ${branch}`, "unknown_id");
}
