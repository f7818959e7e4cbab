import { mkdir, readdir, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { exists, flushToDisk, removeTree } from "#git/files/atomic-directory.js";
import * as queries from "./moves.queries.js";
import { adoptionLock, arrivals, filesOf, isAdoptedFolder, removeFiles } from "./project-files.js";
import type { ReceiveDeps } from "./receive-project.js";

type Deps = Pick<ReceiveDeps, "db" | "dataDir">;

/**
 * Removes the files of moves that have ended, after a start. Those of a project whose home is this node are put in
 * place first, if a power failure undid that.
 */
export async function recoverArrivals(deps: Deps): Promise<void> {
  const { db, dataDir } = deps;
  // A project that is taken over has its files in place shortly before its home changes.
  await db.tryLock(adoptionLock(db.node.id), () => removeFailed(deps));
  const names: string[] = await readdir(arrivals(dataDir)).catch(() => []);
  if (names.length === 0) return;
  const moves = await db.withSystem("find moves of projects", (tx) =>
    queries.listUnfinished(tx, db.node.id),
  );
  const arriving = new Set(moves.flatMap(({ id, state }) => (state === "cleaning" ? [] : id)));
  for (const name of names) {
    if (arriving.has(name)) continue;
    const recover = (): Promise<void> => recoverArrival(deps, join(arrivals(dataDir), name));
    // The command line may take over projects at the moment.
    if (isAdoptedFolder(name)) await db.tryLock(adoptionLock(db.node.id), recover);
    else await recover();
  }
}

/** Removes the files of projects whose move to this node ended after they were in place, but not by this process. */
async function removeFailed(deps: Deps): Promise<void> {
  const { db, dataDir } = deps;
  const ended = await db.withSystem("find moves of projects that have failed", (tx) =>
    queries.listFailedTo(tx, db.node.id),
  );
  for (const move of ended) await removeFiles(dataDir, await filesOf(deps, move));
}

async function recoverArrival(deps: Deps, folder: string): Promise<void> {
  await keepOwn(deps, folder);
  await removeTree(folder);
}

/** Puts in place what is missing of a project whose home is this node. */
async function keepOwn(deps: Deps, folder: string): Promise<void> {
  const { db, dataDir } = deps;
  const project_id = await projectIn(folder);
  if (project_id === null) return;
  const project = await db.withSystem("find the home of a project", (tx) =>
    queries.findStored(tx, project_id),
  );
  if (project?.home_node !== db.node.id) return;
  const { parts } = await filesOf(deps, { org_id: project.org_id, project_id });
  for (const part of parts) {
    const place = join(dataDir, part);
    if ((await exists(place)) || !(await exists(join(folder, part)))) continue;
    await mkdir(dirname(place), { recursive: true });
    await rename(join(folder, part), place);
  }
  await flushToDisk(dataDir);
}

/** The id of the project whose files are in a folder. The repository moves first, other files keep its id. */
async function projectIn(folder: string): Promise<string | null> {
  for (const kind of ["repositories", "lowers", "logs", "environments"]) {
    for (const org of await readdir(join(folder, kind)).catch(() => [])) {
      for (const name of await readdir(join(folder, kind, org))) return name.replace(/\.git$/, "");
    }
  }
  return null;
}
