import type { Logger } from "pino";
import { branchHolding, resolveCommit } from "#git/store/repository.js";
import { deleteRef } from "#git/store/refs.js";
import * as archives from "./archives.queries.js";
import { archiveRef } from "./archive-workspace.js";
import * as queries from "../workspaces.queries.js";
import { workspaceLock, type WorkspaceDeps } from "../workspace.js";

/**
 * Lets go of archived workspaces whose time is over and whose commits a branch holds. What is nowhere
 * else is kept, and can be restored, until it is merged: it is looked at again each time. Several
 * processes may do this at once; each archive is let go of by one of them.
 */
export async function endRetentions(deps: WorkspaceDeps, log: Logger): Promise<void> {
  const ended = await deps.db.withSystem("find archives whose time is over", (db) =>
    archives.listEndedArchives(db),
  );
  for (const archive of ended) {
    try {
      await deps.db.locks(archive.org_id, [workspaceLock(archive.agent_id)], () =>
        letGo(deps, archive),
      );
    } catch (error) {
      log.error({ err: error, archive: archive.id }, "an archive whose time is over was kept");
    }
  }
}

/** The reference goes first: what is cut off after it is done again, and can still be restored. */
async function letGo(deps: WorkspaceDeps, archive: archives.Archive): Promise<void> {
  const { id, org_id: orgId, project_id, agent_id: agentId, tip } = archive;
  const workspace = await deps.db.tenant(orgId, async (tx) => {
    const isThere = (await archives.findArchive(tx, id)) !== undefined;
    return isThere ? queries.findWorkspace(tx, agentId) : undefined;
  });
  if (!workspace) return;
  const isCurrent = workspace.archive_id === id;
  if (isCurrent && workspace.status !== "archived") return;
  const repoPath = deps.storage.repository(orgId, project_id);
  if ((await branchHolding(repoPath, tip)) === null) return;
  const ref = archiveRef(agentId, id);
  if ((await resolveCommit(repoPath, ref)) !== null) await deleteRef(repoPath, ref, tip);
  await deps.db.tenant(orgId, async (tx) => {
    // Whoever began to restore it meanwhile waits for the lock and needs the row.
    if (!isCurrent || (await archives.expireWorkspace(tx, agentId))) {
      await archives.deleteArchive(tx, id);
    }
  });
}
