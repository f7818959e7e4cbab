import type { Queryable } from "../../db/connection/connect.js";
import { invalidField } from "../../errors.js";
import type { Actor } from "../../access/authenticate.js";
import { resolveCommit } from "#git/store/repository.js";
import { isMergeTarget } from "./merges/plan-merge.js";
import { listBranchesOfAgent } from "./workspaces.queries.js";
import { branchRef } from "./workspace.js";

/**
 * The branches of a project that an actor may read, by git and by the API alike: of its own project an
 * agent reads the default branch, its own branch, its base branch and its parent's; of another project
 * the default branch. Null for a person, who reads all of them.
 */
export async function visibleBranches(
  tx: Queryable,
  { agent }: Pick<Actor, "agent">,
  projectId: string,
): Promise<ReadonlySet<string> | null> {
  return agent ? new Set(await listBranchesOfAgent(tx, agent.id, projectId)) : null;
}

/** Whether an actor may read a merge: whether its target is a branch that the actor may read. */
export async function isVisible(
  tx: Queryable,
  actor: Pick<Actor, "agent">,
  { project_id, target_branch }: { project_id: string; target_branch: string },
): Promise<boolean> {
  return (await visibleBranches(tx, actor, project_id))?.has(target_branch) ?? true;
}

/**
 * Requires a branch to be one that an actor may read and merge with. A hidden branch is refused like one
 * that does not exist.
 * @param visible as of `visibleBranches`
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
  throw invalidField(field, `names no branch to merge into: ${branch}`, "unknown_id");
}
