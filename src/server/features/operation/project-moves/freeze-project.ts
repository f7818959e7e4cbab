import { rmdir } from "node:fs/promises";
import { join } from "node:path";
import { MountInUseError, unmountUnused } from "#git/worktree/mounts.js";
import { layerOf } from "#git/worktree/overlay-driver.js";
import { writesOn } from "../../../cluster/project-work.js";
import { requireEpoch } from "../../../cluster/nodes.queries.js";
import type { Database } from "../../../db/connection/connect.js";
import { lockOrganizations } from "../../../db/connection/tenant.js";
import { AppError, notFound } from "../../../errors.js";
import { radarLock } from "../../code/radar/index.js";
import { packingLock, storeLock } from "../../code/projects/index.js";
import { workspaceLock } from "../../code/workspaces/index.js";
import * as queries from "./moves.queries.js";
import { filesOf, type ProjectFiles } from "./project-files.js";

/** Time for requests, jobs and other work on the project to end. */
const DRAIN_TIMEOUT_MS = 10_000;
/** Locks that are taken together. */
const KEYS_AT_ONCE = 100;

export interface FreezeDeps {
  db: Database;
  dataDir: string;
  /** Moves of projects whose folders were unmounted, see `followMoves`. */
  frozen: Set<string>;
}

/**
 * Ends all work on a project at its home: it has no home from then on, and when this resolves, no process of this
 * node writes its files. It may be called again after a crash.
 * @param isAsked whether the new node still waits
 * @throws AppError 404; 409 `run_in_progress`, `workspace_busy` when work does not end in time
 */
export async function freezeProject(
  { db, dataDir, frozen }: FreezeDeps,
  move: queries.MoveRow,
  isAsked: () => boolean,
): Promise<void> {
  const { id, org_id: orgId, project_id: projectId } = move;
  if (move.state === "copying") {
    // What takes long now would take long while the project is frozen. One lock at a time, because others wait for it.
    if (!(await db.changes.drainAll(writesOn(projectId), DRAIN_TIMEOUT_MS))) throw busy();
    for (const key of await keysOf(db, projectId)) await db.passLocks(orgId, [key]);
  }
  await db.withSystemTx("freeze a project", async (tx) => {
    // It waits for transactions that reserve or record a change, or start a run.
    await lockOrganizations(tx, [orgId]);
    await requireEpoch(tx, db.node);
    const row = await queries.lockMove(tx, id);
    if (row?.state === "freezing") return;
    if (row?.state !== "copying") throw notFound();
    if (!isAsked()) throw busy();
    if (await queries.hasRunningRun(tx, projectId)) throw running();
    await queries.freeze(tx, id, db.node.epoch);
  });
  if (!(await db.changes.drainAll(projectId, DRAIN_TIMEOUT_MS))) throw busy();
  // Periodic work that began before is under these locks; such work is refused from now on.
  const keys = await keysOf(db, projectId);
  for (let start = 0; start < keys.length; start += KEYS_AT_ONCE) {
    await db.passLocks(orgId, keys.slice(start, start + KEYS_AT_ONCE));
  }
  // Those that began in spite of it, such as by a process that had not heard of it.
  const isRunning = await db.withSystem("find runs of a moving project", (tx) =>
    queries.hasRunningRun(tx, projectId),
  );
  if (isRunning) throw running();
  try {
    await unmountFolders(dataDir, await filesOf({ db, dataDir }, move));
  } finally {
    // It may be in use again already, such as after a cancelation in between.
    frozen.add(id);
  }
}

/** The locks of work on a project's files. */
async function keysOf(db: Database, projectId: string): Promise<string[]> {
  const agents = await db.withSystem("list the agents of a moving project", (tx) =>
    queries.listAgents(tx, projectId),
  );
  return [
    storeLock(projectId),
    packingLock(projectId),
    radarLock(projectId),
    ...agents.map((agent) => workspaceLock(agent.id)),
  ];
}

/**
 * Unmounts the folders of workspaces, so that no process writes by their paths what would be lost.
 * @throws AppError 409 `workspace_busy` when a process uses one
 */
async function unmountFolders(dataDir: string, { workspaces }: ProjectFiles): Promise<void> {
  for (const { folder, overlay } of workspaces) {
    if ((await layerOf(join(dataDir, overlay))) === null) continue;
    const path = join(dataDir, folder);
    try {
      await unmountUnused(path);
    } catch (error) {
      if (error instanceof MountInUseError) throw busy();
      throw error;
    }
    // A folder with files keeps them: they are of a process that wrote while nothing was mounted.
    await rmdir(path).catch(() => undefined);
  }
}

const running = (): AppError =>
  new AppError("run_in_progress", "A run of the project is in progress.");
const busy = (): AppError =>
  new AppError("workspace_busy", "Work on the project is still in progress.");
