/** What follows once a sync has moved a workspace's branch: the folder, and the rows. */
import { systemOrigin } from "../../../db/audit/audit.js";
import * as commits from "../commits/commits.queries.js";
import { followFolder } from "../watch-folder.js";
import type { MergeRow } from "./merges.queries.js";
import type { WorkspaceRow } from "../workspaces.queries.js";
import { recordMerge } from "./record-merge.js";
import { hasFolder, placesOf, type WorkspaceDeps } from "../workspace.js";

/**
 * Brings folder and rows up to a sync whose branch has moved; from any point at which an earlier try
 * was cut off. The rows come last: until then the workspace is worked on by nobody.
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
    await followFolder(placesOf(deps, workspace), target_commit, merge_commit);
  }
  await deps.db.change(workspace.org_id, sync.origin ?? systemOrigin, async (tx, audit) => {
    await commits.recordCommit(tx, workspace, merge_commit);
    await recordMerge(tx, audit, sync);
  });
}
