import { resolveCommit } from "#git/store/repository.js";
import * as queries from "../workspaces.queries.js";
import { branchRef, placesOf, type ActiveWorkspace, type WorkspaceDeps } from "../workspace.js";

/** The commits that a workspace shares with others. */
export interface SharedCommits {
  defaultBranch: string;
  /** The commit of the default branch; null if it is missing. */
  defaultCommit: string | null;
  /** The commit of the base branch; null if it is missing. */
  baseCommit: string | null;
  /** The commits of both that exist. */
  sharedCommits: string[];
}

export async function readSharedCommits(
  deps: Pick<WorkspaceDeps, "db" | "storage" | "driver">,
  workspace: ActiveWorkspace,
): Promise<SharedCommits> {
  const { org_id, agent_id, base_branch } = workspace;
  const { repoPath } = placesOf(deps, workspace);
  const found = await deps.db.read(org_id, (tx) => queries.findAgentForWorkspace(tx, agent_id));
  const defaultBranch = found?.default_branch ?? base_branch;
  const [defaultCommit = null, baseCommit = null] = await Promise.all(
    [defaultBranch, base_branch].map((branch) => resolveCommit(repoPath, branchRef(branch))),
  );
  const sharedCommits = [...new Set([defaultCommit, baseCommit])].filter((oid) => oid !== null);
  return { defaultBranch, defaultCommit, baseCommit, sharedCommits };
}
