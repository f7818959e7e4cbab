/** Completes a sync after the workspace's branch has moved: the folder, then the rows. */
import { systemOrigin } from "../../../../../db/audit/audit.js";
import * as commits from "../../commits/commits.queries.js";
import { updateFolder } from "../../update-folder.js";
import type { MergeRow } from "../merges.queries.js";
import type { WorkspaceRow } from "../../workspaces.queries.js";
import { recordMerge } from "../record-merge.js";
import { hasFolder, placesOf, type WorkspaceDeps } from "../../workspace.js";

/**
 * Updates folder and rows to a sync whose branch has moved, from any point of interruption. The rows
 * come last; until then no other operation uses the workspace.
 */
export async function recoverSync(
  deps: WorkspaceDeps,
  workspace: WorkspaceRow,
  sync: Pick<
    MergeRow,
    | "id"
    | "kind"
    | "of_merge"
    | "org_id"
    | "project_id"
    | "agent_id"
    | "target_commit"
    | "merge_commit"
    | "origin"
  >,
): Promise<void> {
  const { merge_commit, target_commit } = sync;
  if (hasFolder(workspace)) {
    const places = { ...placesOf(deps, workspace), owner: workspace.org_id };
    await updateFolder(places, target_commit, merge_commit);
  }
  await deps.db.change(workspace.org_id, sync.origin ?? systemOrigin, async (tx, audit) => {
    await commits.recordCommit(tx, workspace, merge_commit, null);
    await recordMerge(tx, audit, sync);
  });
}
