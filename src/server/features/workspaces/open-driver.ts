/** How folders are made here, and what of them a start and a stop have to see to. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "pino";
import { ConfigError, type Config } from "../../config.js";
import { chooseDriver } from "../../git/choose-driver.js";
import type { FolderDriver } from "../../git/folder.js";
import { collectLayers } from "../../git/lower-layers.js";
import { listMounts, unmount } from "../../git/mounts.js";
import type { Storage } from "../../storage.js";
import * as repository from "./repository.js";
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

/**
 * Mounts what a restart of the machine has taken away, one by one while the server serves: whoever needs
 * a folder before its turn mounts it. `stop` ends it at the next one.
 */
export function restoreFolders(deps: WorkspaceDeps, log: Logger): { stop(): Promise<void> } {
  let isStopping = false;
  const restore = async (): Promise<void> => {
    const overlays = await deps.db.withSystem("find folders to mount", (db) =>
      repository.listOverlays(db),
    );
    for (const { org_id, agent_id } of overlays) {
      if (isStopping) return;
      try {
        await deps.db.locks([workspaceLock(agent_id)], async () => {
          const workspace = await deps.db.tenant(org_id, (tx) =>
            repository.findWorkspace(tx, agent_id),
          );
          if (workspace?.status === "active") await placesOf(deps, workspace).open();
        });
      } catch (error) {
        log.error({ err: error, agent: agent_id }, "a folder could not be mounted");
      }
    }
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

/** Unmounts all folders, so that the data folder can be moved or saved; the next start mounts them. */
export async function releaseFolders({ storage }: WorkspaceDeps, log: Logger): Promise<void> {
  for (const folder of await listMounts(storage.workspaces)) {
    await unmount(folder).catch((error: unknown) => {
      log.warn({ err: error, folder }, "a folder stays mounted");
    });
  }
}

/** Removes the layers that a process which was cut off left without a user. */
export async function removeUnusedLayers({ storage }: WorkspaceDeps, log: Logger): Promise<void> {
  const list = (folder: string): Promise<string[]> => readdir(folder).catch(() => []);
  for (const org of await list(storage.layers)) {
    for (const project of await list(join(storage.layers, org))) {
      await collectLayers(join(storage.layers, org, project)).catch((error: unknown) => {
        log.warn({ err: error, project }, "unused layers stay");
      });
    }
  }
}
