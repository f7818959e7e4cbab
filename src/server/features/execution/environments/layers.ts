/** The layers of environments on the disk. */
import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Logger } from "pino";
import type { EnvironmentBuild } from "#shared/api/execution/environments.js";
import { isUuid } from "#shared/uuid.js";
import { collectEnvironments } from "#git/worktree/environment-layer.js";
import { environmentOf } from "#git/worktree/overlay-driver.js";
import type { WorktreeDriver, WorktreePaths } from "#git/worktree/worktree-driver.js";
import type { EnvironmentDeps } from "./environment.js";
import * as queries from "./environments.queries.js";

/**
 * Adds the layer of a build to a folder. Returns the build whose layer the folder has then: an earlier one
 * if the process that added its layer could not record it. Returns null if the layer is gone, which is then
 * recorded.
 * @throws MountError, or the system error (no space)
 */
export async function attachLayer(
  { db, storage }: EnvironmentDeps,
  driver: WorktreeDriver,
  { org_id, project_id }: { org_id: string; project_id: string },
  places: WorktreePaths,
  { id, run_id }: Pick<EnvironmentBuild, "id" | "run_id">,
): Promise<{ id: string | null } | null> {
  const layer = run_id === null ? null : storage.environmentLayer(org_id, project_id, run_id);
  const attached = layer === null ? null : await driver.attachEnvironment(places, layer);
  if (attached === null) {
    await db.tenant(org_id, (tx) => queries.forgetLayers(tx, [id]));
    return null;
  }
  if (basename(attached) === run_id) return { id };
  const other = await db.read(org_id, (tx) => queries.findBuildOfRun(tx, basename(attached)));
  return { id: other ?? null };
}

/** Removes layers that are neither kept nor used, and what interrupted processes have left of them. */
export async function removeUnusedEnvironments(
  { db, storage }: Pick<EnvironmentDeps, "db" | "storage">,
  log: Logger,
): Promise<void> {
  const list = (folder: string): Promise<string[]> => readdir(folder).catch(() => []);
  for (const orgId of await list(storage.environments)) {
    for (const projectId of await list(join(storage.environments, orgId))) {
      const folder = storage.projectEnvironments(orgId, projectId);
      const names = (await list(folder)).filter(isUuid);
      const wanted = new Set(
        await db.withSystem("find the layers that are kept", (tx) =>
          queries.listWantedLayers(tx, names),
        ),
      );
      const isUser = async (user: string, layer: string): Promise<boolean> => {
        const used = await environmentOf(storage.overlay(orgId, user));
        return used !== null && basename(used) === basename(layer);
      };
      await collectEnvironments(folder, (name) => wanted.has(name), isUser).catch(
        (error: unknown) => {
          log.warn({ err: error, project: projectId }, "cannot remove unused environments");
        },
      );
    }
  }
}
