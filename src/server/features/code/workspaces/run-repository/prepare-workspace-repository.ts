import {
  prepareRepository,
  type PreparedRepository,
} from "#execution/scripts/prepare-repository.js";
import type { FolderScript, RunScript } from "#execution/scripts/run-script.js";
import { branchRef, type ActiveWorkspace, type WorkspaceDeps } from "../workspace.js";
import { exportBranches } from "./export-branches.js";

/**
 * Makes or updates the repository in the workspace's folder, for the holder of its lock. Nothing may
 * run in the folder.
 * @param taken ids, maybe abbreviated, of commits of earlier runs that the server has taken
 */
export async function prepareWorkspaceRepository(
  deps: WorkspaceDeps,
  workspace: ActiveWorkspace,
  place: Pick<FolderScript, "folder" | "uid">,
  runScript: RunScript,
  taken: readonly string[],
): Promise<PreparedRepository> {
  const { agent_id, agent_name, branch_name, base_branch, head_commit } = workspace;
  const { readOnly, baseCommit } = await exportBranches(deps, workspace);
  const branches = {
    agent: { id: agent_id, name: agent_name },
    ref: branchRef(branch_name),
    head: head_commit,
    baseRef: branchRef(base_branch),
    baseCommit,
    taken,
  };
  return prepareRepository(runScript, place, branches, readOnly);
}
