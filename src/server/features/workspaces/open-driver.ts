/** How folders are made here, and what of them a start and a stop have to see to. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "pino";
import { ConfigError } from "#shared/node/config-error.js";
import { type Config } from "../../config/config.js";
import type { Queryable } from "../../db/connection/connect.js";
import { overlayToCheckout } from "#git/worktree/overlay-to-checkout.js";
import { chooseDriver } from "#git/worktree/choose-driver.js";
import type { FolderDriver } from "#git/worktree/folder-driver.js";
import { collectBaseLayers } from "#git/worktree/base-layers.js";
import { isMountAlive, listMounts, unmountAll } from "#git/worktree/mounts.js";
import type { Storage } from "../../data-folder/storage.js";
import * as queries from "./workspaces.queries.js";
import { placesOf, workspaceLock, type WorkspaceDeps } from "./workspace.js";

/**
 * Finds out how folders can be made here, and says so in the log.
 * @throws ConfigError where overlays are demanded and do not work
 */
export async function openDriver(
  config: Pick<Config, "folderDriver" | "agentUid">,
  storage: Storage,
  log: Logger,
): Promise<FolderDriver> {
  const { agentUid: id, folderDriver } = config;
  const owner = process.getuid?.() === 0 ? { uid: id, gid: id } : null;
  const { driver, refused } = await chooseDriver(folderDriver, storage.overlays, owner);
  const reasons = refused.map(({ kind, reason }) => `${kind}: ${reason}`).join("; ");
  if (driver === null) {
    throw new ConfigError(
      `OMOI_FOLDER_DRIVER is overlay, but nothing can be mounted in the data folder (${reasons}); set it to auto or checkout, or run the server as root`,
    );
  }
  log.info({ driver: driver.name, refused }, "how agents' folders are made");
  return driver;
}

/** How many folders are mounted at a time while the server serves. */
const AT_ONCE = 4;

/**
 * Mounts what a restart of the machine has taken away, a few at a time while the server serves: whoever
 * needs a folder before its turn mounts it. Where folders are written out here, and no other process
 * serves them (`isAlone`), those that are overlays become such folders instead. `stop` ends it at the
 * next ones.
 */
export function restoreFolders(
  deps: WorkspaceDeps,
  log: Logger,
  isAlone: boolean,
): { stop(): Promise<void> } {
  let isStopping = false;
  const isBroughtOver = isAlone && deps.driver.name === "checkout";
  const restoreOne = async (found: queries.PlacedRow): Promise<void> => {
    const { org_id, agent_id } = found;
    // Nothing is to be done, and nobody to be kept waiting: as after a crash.
    if (!isBroughtOver && (await isMountAlive(placesOf(deps, found).folder))) return;
    await deps.db.locks(org_id, [workspaceLock(agent_id)], async () => {
      const workspace = await deps.db.tenant(org_id, (tx) => queries.findWorkspace(tx, agent_id));
      if (workspace?.status !== "active") return;
      const places = placesOf(deps, workspace);
      if (!isBroughtOver) return void (await places.open());
      // What was begun since the start has the folder as it is; the next start brings it over.
      const isInUse = (tx: Queryable) => queries.hasManagedRun(tx, agent_id);
      if (await deps.db.tenant(org_id, isInUse)) return;
      await overlayToCheckout(places);
      await deps.db.tenant(org_id, (tx) =>
        queries.updateWorkspace(tx, agent_id, { folder_driver: "checkout" }),
      );
    });
  };
  const restore = async (): Promise<void> => {
    const overlays = await deps.db.withSystem("find folders to mount", (db) =>
      queries.listOverlays(db),
    );
    const waiting = overlays.values();
    const restoreNext = async (): Promise<void> => {
      for (const overlay of waiting) {
        if (isStopping) return;
        await restoreOne(overlay).catch((error: unknown) => {
          log.error({ err: error, agent: overlay.agent_id }, "a folder could not be mounted");
        });
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, restoreNext));
    if (!isStopping) await removeUnusedLayers(deps, log);
  };
  const restoring = restore().catch((error: unknown) => {
    if (!isStopping) log.error({ err: error }, "folders were not mounted");
  });
  return {
    stop: async () => {
      isStopping = true;
      await restoring;
    },
  };
}

/**
 * Makes the folders of active workspaces anew, with the files of their last commits, and leaves nothing
 * mounted. `db` sees all organizations.
 * @returns the agents whose folders were made
 */
export async function recreateFolders(
  db: Queryable,
  config: Pick<Config, "folderDriver" | "agentUid">,
  storage: Storage,
  agentIds: readonly string[],
  log: Logger,
): Promise<string[]> {
  const made: string[] = [];
  if (agentIds.length === 0) return made;
  const driver = await openDriver(config, storage, log);
  for (const agentId of agentIds) {
    const workspace = await queries.findWorkspace(db, agentId);
    if (workspace?.status !== "active" || workspace.head_commit === null) continue;
    const places = placesOf({ driver, storage }, workspace);
    const folder_driver = await driver.create({ ...places, commit: workspace.head_commit });
    await queries.updateWorkspace(db, agentId, { folder_driver });
    made.push(agentId);
  }
  await unmountAll(await listMounts(storage.workspaces), (folder, error) => {
    log.warn({ err: error, folder }, "a folder stays mounted");
  });
  return made;
}

/** Unmounts all folders, so that the data folder can be moved or saved; the next start mounts them. */
export async function releaseFolders({ storage }: WorkspaceDeps, log: Logger): Promise<void> {
  await unmountAll(await listMounts(storage.workspaces), (folder, error) => {
    log.warn({ err: error, folder }, "a folder stays mounted");
  });
}

/** Removes the layers that a process which was cut off left without a user. */
export async function removeUnusedLayers({ storage }: WorkspaceDeps, log: Logger): Promise<void> {
  const list = (folder: string): Promise<string[]> => readdir(folder).catch(() => []);
  for (const org of await list(storage.layers)) {
    for (const project of await list(join(storage.layers, org))) {
      await collectBaseLayers(join(storage.layers, org, project)).catch((error: unknown) => {
        log.warn({ err: error, project }, "unused layers stay");
      });
    }
  }
}
