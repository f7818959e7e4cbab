import { readdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isWorthPacking, packRepository } from "#git/store/pack-repository.js";
import { listRefs, updateRefs } from "#git/store/refs.js";
import { removeRepository } from "#git/store/bare-repository.js";
import { exists, removeTree } from "#git/files/atomic-directory.js";
import { collectBaseLayers } from "#git/worktree/base-layers.js";
import { collectEnvironments } from "#git/worktree/environment-layer.js";
import type { WorktreeDriver } from "#git/worktree/worktree-driver.js";
import { isUuid } from "#shared/uuid.js";
import type { RunnerStorage } from "./runner-storage.js";

/** Environment layers of a project that stay for the next runs. */
const KEPT_ENVIRONMENTS = 3;
/** Days without a run after which a project is forgotten. */
const KEPT_DAYS = 30;
const DAY_MS = 86_400_000;
const PACK_MS = 60 * 60_000;

/** Frees what no run of a project needs, and forgets a project without runs for long. */
export async function cleanProject(
  storage: RunnerStorage,
  driver: WorktreeDriver,
  id: string,
): Promise<void> {
  const { mtimeMs } = await stat(storage.project(id));
  const repository = storage.repository(id);
  if (mtimeMs < Date.now() - KEPT_DAYS * DAY_MS) {
    await removeRepository(repository);
    await removeTree(storage.project(id));
    return;
  }
  await collectBaseLayers(join(storage.project(id), "lowers"));
  await removeBuilds(storage, driver, id);
  await removeEnvironments(storage, id);
  if (!(await exists(repository))) return;
  await forgetAgents(storage, id);
  if (await isWorthPacking(repository)) {
    await packRepository(repository, AbortSignal.timeout(PACK_MS));
  }
}

/** Removes the refs and the exports of agents without a run for long. */
async function forgetAgents(storage: RunnerStorage, id: string): Promise<void> {
  const repository = storage.repository(id);
  for (const name of await list(storage.exports(id))) {
    const folder = join(storage.exports(id), name);
    const { mtimeMs } = await stat(join(folder, "current")).catch(() => stat(folder));
    if (!isUuid(name) || mtimeMs > Date.now() - KEPT_DAYS * DAY_MS) continue;
    const refs = await listRefs(repository, `refs/agents/${name}/`);
    const gone = refs.map(({ ref, sha }) => ({ ref, newSha: null, expectedOld: sha }));
    if (gone.length > 0) await updateRefs(repository, gone);
    await removeTree(folder);
  }
}

/** Removes what an earlier process was building. */
async function removeBuilds(
  storage: RunnerStorage,
  driver: WorktreeDriver,
  id: string,
): Promise<void> {
  for (const key of await list(join(storage.project(id), "builds"))) {
    const paths = storage.build(id, key);
    await driver.remove(paths.worktree(id));
    await removeTree(paths.root);
  }
}

async function removeEnvironments(storage: RunnerStorage, id: string): Promise<void> {
  const folder = dirname(storage.environment(id, "key"));
  const layers = await Promise.all(
    (await list(folder)).map(async (name) => ({
      name,
      // Each use changes the list of users.
      at: (await stat(join(folder, name, "users")).catch(() => null))?.mtimeMs ?? 0,
    })),
  );
  layers.sort((a, b) => b.at - a.at);
  const kept = new Set(layers.slice(0, KEPT_ENVIRONMENTS).map(({ name }) => name));
  const isRun = (user: string): Promise<boolean> => exists(storage.run(user).root);
  await collectEnvironments(folder, (name) => kept.has(name), isRun);
}

const list = (folder: string): Promise<string[]> => readdir(folder).catch(() => []);
