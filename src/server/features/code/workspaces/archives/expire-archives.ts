import type { Logger } from "pino";
import { findBranchContaining, resolveCommit } from "#git/store/repository.js";
import { deleteRef } from "#git/store/refs.js";
import * as archives from "./archives.queries.js";
import { archiveRef } from "./archive-workspace.js";
import * as queries from "../workspaces.queries.js";
import { workspaceLock, type WorkspaceDeps } from "../workspace.js";

/**
 * Expires archived workspaces of this node past their retention whose commits are contained in a branch. Others stay
 * restorable until they are merged, and are checked again each time. Each archive is expired by one
 * process.
 */
export async function expireArchives(deps: WorkspaceDeps, log: Logger): Promise<void> {
  const ended = await deps.db.withSystem("find archives past their retention", (db) =>
    archives.listEndedArchives(db, deps.db.node.id),
  );
  for (const archive of ended) {
    try {
      await deps.db.locks(archive.org_id, [workspaceLock(archive.agent_id)], () =>
        expireArchive(deps, archive),
      );
    } catch (error) {
      log.error({ err: error, archive: archive.id }, "cannot expire an archive");
    }
  }
}

/**
 * The ref is deleted first: after an interruption the archive is still restorable, and expiry is
 * repeated.
 */
async function expireArchive(deps: WorkspaceDeps, archive: archives.Archive): Promise<void> {
  const { id, org_id: orgId, project_id, agent_id: agentId, tip } = archive;
  const workspace = await deps.db.tenant(orgId, async (tx) => {
    const isThere = (await archives.findArchive(tx, id)) !== undefined;
    return isThere ? queries.findWorkspace(tx, agentId) : undefined;
  });
  if (!workspace) return;
  const isCurrent = workspace.archive_id === id;
  if (isCurrent && workspace.status !== "archived") return;
  const repoPath = deps.storage.repository(orgId, project_id);
  if ((await findBranchContaining(repoPath, tip)) === null) return;
  const ref = archiveRef(agentId, id);
  if ((await resolveCommit(repoPath, ref)) !== null) await deleteRef(repoPath, ref, tip);
  await deps.db.tenant(orgId, async (tx) => {
    // A concurrent restore waits for the lock and needs the row.
    if (!isCurrent || (await archives.expireWorkspace(tx, agentId))) {
      await archives.deleteArchive(tx, id);
    }
  });
}
