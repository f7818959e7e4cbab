/** Chooses the folder driver and restores or releases mounts at startup and shutdown. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "pino";
import { ConfigError } from "#shared/node/config-error.js";
import type { Config } from "../../../config/config.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { overlayToCheckout } from "#git/worktree/overlay-to-checkout.js";
import { chooseDriver } from "#git/worktree/choose-driver.js";
import type { WorktreeDriver } from "#git/worktree/worktree-driver.js";
import { collectBaseLayers } from "#git/worktree/base-layers.js";
import { isMountAlive, listMounts, unmountAll } from "#git/worktree/mounts.js";
import type { Storage } from "../../../data-folder/storage.js";
import * as queries from "./workspaces.queries.js";
import { placesOf, workspaceLock, type WorkspaceDeps } from "./workspace.js";

/**
 * Probes which folder drivers work, and logs the choice.
 * @throws ConfigError when overlays are required but do not work
 */
export async function openDriver(
  config: Pick<Config, "folderDriver" | "agentUid">,
  storage: Storage,
  log: Logger,
): Promise<WorktreeDriver> {
  const { agentUid: id, folderDriver } = config;
  const owner = process.getuid?.() === 0 ? { uid: id, gid: id } : null;
  const { driver, refused } = await chooseDriver(folderDriver, storage.overlays, owner);
  const reasons = refused.map(({ kind, reason }) => `${kind}: ${reason}`).join("; ");
  if (driver === null) {
    throw new ConfigError(
      `OMOI_FOLDER_DRIVER is overlay, but mounting in the data folder fails (${reasons}); set it to auto or checkout, or run the server as root`,
    );
  }
  log.info({ driver: driver.name, refused }, "chose the folder driver");
  return driver;
}

/** Folders mounted concurrently in the background. */
const AT_ONCE = 4;

/**
 * Mounts overlay folders in the background after a restart of the machine; an operation that needs one
 * earlier mounts it. When folders are plain checkouts and no other process serves them (`isAlone`),
 * overlays are converted instead. `stop` ends the loop.
 */
export function restoreFolders(
  deps: WorkspaceDeps,
  log: Logger,
  isAlone: boolean,
): { done: Promise<void>; stop(): Promise<void> } {
  let isStopping = false;
  const isBroughtOver = isAlone && deps.driver.name === "checkout";
  const restoreOne = async (found: queries.PlacedRow): Promise<void> => {
    const { org_id, agent_id } = found;
    // Already mounted, as after a crash of the server.
    if (!isBroughtOver && (await isMountAlive(placesOf(deps, found).folder))) return;
    await deps.db.locks(org_id, [workspaceLock(agent_id)], async () => {
      const workspace = await deps.db.tenant(org_id, (tx) => queries.findWorkspace(tx, agent_id));
      if (workspace?.status !== "active") return;
      const places = placesOf(deps, workspace);
      if (!isBroughtOver) return void (await places.open());
      // A run started since then uses the folder as it is; the next start converts it.
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
      queries.listOverlays(db, deps.db.node.id),
    );
    const waiting = overlays.values();
    const restoreNext = async (): Promise<void> => {
      for (const overlay of waiting) {
        if (isStopping) return;
        await restoreOne(overlay).catch((error: unknown) => {
          log.error({ err: error, agent: overlay.agent_id }, "cannot mount a folder");
        });
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, restoreNext));
    if (!isStopping) await removeUnusedLayers(deps, log);
  };
  const restoring = restore().catch((error: unknown) => {
    if (!isStopping) log.error({ err: error }, "cannot mount folders");
  });
  return {
    done: restoring,
    stop: async () => {
      isStopping = true;
      await restoring;
    },
  };
}

/**
 * Recreates the folders of active workspaces from their last commits and leaves nothing mounted. `db`
 * sees all organizations.
 * @returns the agents whose folders were recreated
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
    log.warn({ err: error, folder }, "cannot unmount a folder");
  });
  return made;
}

/** Unmounts all folders, so that the data folder can be moved or copied; the next start mounts them. */
export async function releaseFolders({ storage }: WorkspaceDeps, log: Logger): Promise<void> {
  for (const parent of [storage.workspaces, storage.checks]) {
    await unmountAll(await listMounts(parent), (folder, error) => {
      log.warn({ err: error, folder }, "cannot unmount a folder");
    });
  }
}

/** Deletes base layers left without a user by an interrupted process. */
export async function removeUnusedLayers({ storage }: WorkspaceDeps, log: Logger): Promise<void> {
  const list = (folder: string): Promise<string[]> => readdir(folder).catch(() => []);
  for (const org of await list(storage.layers)) {
    for (const project of await list(join(storage.layers, org))) {
      await collectBaseLayers(join(storage.layers, org, project)).catch((error: unknown) => {
        log.warn({ err: error, project }, "cannot delete unused layers");
      });
    }
  }
}
