import { hasServerFolder } from "#shared/code/workspace-choices.js";
import { archiveRef } from "../../features/code/workspaces/archives/archive-workspace.js";
import { branchRef } from "../../features/code/workspaces/index.js";
import type { WorkspaceState } from "./set-back.queries.js";
import type { StoredCommits } from "./stored-commits.js";

/**
 * The state of a workspace that its repository and folder allow. `restoring` and `archiving` have an archive, with which
 * the next start of the server makes them complete: a folder is made from the branch, or the branch is archived.
 */
export type DecidedState =
  | { status: "kept" }
  | { status: "active"; tip: string }
  | { status: "restoring" | "archiving"; tip: string; archiveId: string | null }
  | { status: "failed" };

/** Decides how a workspace goes on with an older repository, whose folder of the workspace is there or not. */
export async function decideState(
  workspace: WorkspaceState,
  stored: StoredCommits,
  hasFolder: boolean,
): Promise<DecidedState> {
  const { agent_id, status, head_commit, archive_id, archive_tip } = workspace;
  // They have neither commits nor files that count, or are completed from the base branch.
  if (status === "failed" || status === "creating") return { status: "kept" };
  // Its work was merged; the repository may be older than the merge.
  if (status === "expired" && findArchive(agent_id, stored) === null) return { status: "kept" };
  const branch = stored.refs.get(branchRef(workspace.branch_name));
  const archived =
    archive_id === null ? undefined : stored.refs.get(archiveRef(agent_id, archive_id));
  if (status === "archived" && archived === archive_tip) return { status: "kept" };
  if (status === "archiving" || status === "restoring") {
    const isThere = archive_tip !== null && [archived, branch].includes(archive_tip);
    if (isThere) return { status: "kept" };
  }
  if (branch !== undefined) {
    const isComplete = hasFolder || !hasServerFolder(workspace.workspace_type);
    if (workspace.is_terminated) return { status: "archiving", tip: branch, archiveId: archive_id };
    if (!isComplete) return { status: "restoring", tip: branch, archiveId: null };
    if (status !== "active" || head_commit === null) return { status: "active", tip: branch };
    // Commits that were not recorded yet are on the branch, and are recorded before the next use.
    const isKnown = stored.has(head_commit) && (await stored.isAncestor(head_commit, branch));
    return isKnown ? { status: "kept" } : { status: "active", tip: branch };
  }
  const older = findArchive(agent_id, stored);
  if (older === null) return { status: "failed" };
  return { ...older, status: workspace.is_terminated ? "archiving" : "restoring" };
}

/** Finds the archive of a workspace that was restored since. */
function findArchive(
  agentId: string,
  { refs }: StoredCommits,
): { tip: string; archiveId: string } | null {
  const prefix = archiveRef(agentId, "");
  let found: { tip: string; archiveId: string } | null = null;
  for (const [ref, tip] of refs) {
    // Ids ascend with time.
    if (ref.startsWith(prefix)) found = { tip, archiveId: ref.slice(prefix.length) };
  }
  return found;
}
