import * as archives from "./archives/archives.queries.js";
import { removeHome } from "./homes.js";
import * as queries from "./workspaces.queries.js";
import { placesOf, workspaceLock, type WorkspaceDeps } from "./workspace.js";

/** Removes the folders of a deleted project, each after its current operation has ended. */
export async function removeWorkspacesOf(
  deps: WorkspaceDeps,
  orgId: string,
  projectId: string,
): Promise<void> {
  const agentIds = await deps.db.tenant(orgId, (tx) =>
    queries.listWorkspacesToRemove(tx, projectId),
  );
  for (const agentId of agentIds) {
    await deps.db.locks(orgId, [workspaceLock(agentId)], async () => {
      const workspace = await deps.db.tenant(orgId, (tx) => queries.findWorkspace(tx, agentId));
      if (!workspace || workspace.status === "expired") return;
      // An archived workspace has no folder; the path may belong to another agent of the same name.
      if (workspace.status !== "archived") await deps.driver.remove(placesOf(deps, workspace));
      await removeHome(deps, [orgId, agentId]);
      await deps.db.tenant(orgId, async (tx) => {
        await queries.updateWorkspace(tx, agentId, { status: "expired", archive_id: null });
        await archives.deleteArchivesOf(tx, agentId);
      });
    });
  }
}
