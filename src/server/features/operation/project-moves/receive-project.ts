import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Logger } from "pino";
import { exists, flushToDisk, removeTree } from "#git/files/atomic-directory.js";
import { requireEpoch } from "../../../cluster/nodes.queries.js";
import type { Cluster } from "../../../cluster/cluster.js";
import type { Database, Queryable } from "../../../db/connection/connect.js";
import { isDatabaseError } from "../../../db/connection/failures.js";
import { lockOrganizations } from "../../../db/connection/tenant.js";
import { newId } from "../../../db/tables/columns.js";
import {
  askingHome,
  HomeBusyError,
  MoveEndedError,
  requireTime,
  type AskHome,
} from "./ask-home.js";
import { copyFiles, type FileCopy } from "./copy/copy-files.js";
import * as queries from "./moves.queries.js";
import {
  arrivals,
  filesOf,
  moveBack,
  moveParts,
  presentParts,
  removeFiles,
} from "./project-files.js";

export interface ReceiveDeps {
  db: Database;
  cluster: Cluster;
  dataDir: string;
  log: Logger;
}

/** Time for which a move waits for a home that is away, and for runs and other work to end. */
const COPY_TIMEOUT_MS = 10 * 60_000;
/** Time for which a project stays frozen while its home does not answer. */
const AWAY_MS = 60_000;
/** Time for which a project stays frozen at most. Its home takes it back a little later, see `takeBack`. */
const FROZEN_MS = 120_000;
const RETRY_MS = 1000;
/** A project that was frozen in vain is in use for a while. */
const TAKE_AGAIN_MS = 5000;

/**
 * Moves a project to this node: copies its files while it is in use, freezes it, copies what has changed since, and
 * becomes its home. An attempt begins anew whatever an earlier one has left. If it fails, the project stays where
 * it is.
 * @param signal ends the attempt, which the next start repeats
 * @returns whether this node is the home now
 */
export async function receiveProject(
  deps: ReceiveDeps,
  found: queries.MoveRow,
  signal: AbortSignal,
): Promise<boolean> {
  const { db, cluster, dataDir, log } = deps;
  const attempt = newId();
  const move = await change(deps, found, async (tx, row) => {
    if (row.attempt !== found.attempt || !isUnderWay(row)) return null;
    await queries.beginAttempt(tx, row.id, attempt);
    return { ...row, attempt };
  });
  if (move === null) return false;
  const folder = join(arrivals(dataDir), move.id);
  const ended = new AbortController();
  let deadline: AbortSignal | null = null;
  const stopped = AbortSignal.any([signal, ended.signal]);
  const ask = askingHome(cluster, move, stopped, () => deadline);
  const copy = copyFiles(ask, folder, async (progress) => {
    signal.throwIfAborted();
    const isOurs = await db.withSystem("record the progress of a move", (tx) =>
      queries.addProgress(tx, move, progress),
    );
    if (!isOurs) throw new MoveEndedError();
  });
  try {
    await clear(deps, move);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    // Twice: the second one copies what has changed during the first.
    await retryWhileAway(COPY_TIMEOUT_MS, signal, () => copy.update());
    await retryWhileAway(COPY_TIMEOUT_MS, signal, () => copy.update());
    let isFirst = true;
    const take = async (): Promise<void> => {
      deadline = null;
      if (!isFirst) await copy.update();
      isFirst = false;
      deadline = AbortSignal.timeout(FROZEN_MS);
      await takeOver(deps, move, folder, { copy, ask, deadline, signal });
    };
    await retryWhileAway(COPY_TIMEOUT_MS, signal, take, undefined, TAKE_AGAIN_MS);
    log.info({ project: move.project_id, from: move.from.name }, "a project has moved here");
    return true;
  } catch (error) {
    // The next attempt decides by the state in the database.
    if (signal.aborted || isDatabaseError(error)) throw error;
    const isOurs = await change(deps, move, async (tx, row) => {
      if (row.attempt !== attempt || !isUnderWay(row)) return row.attempt === null;
      await queries.endMove(tx, row.id, "failed", reasonOf(error));
      return true;
    });
    if (!(error instanceof MoveEndedError)) {
      log.warn({ err: error, project: move.project_id }, "a project could not move here");
    }
    if (isOurs !== false) await clear(deps, move);
    return false;
  } finally {
    ended.abort();
  }
}

interface TakingOver {
  copy: FileCopy;
  ask: AskHome;
  /** The end of the time for which the project may be frozen. */
  deadline: AbortSignal;
  signal: AbortSignal;
}

/** Freezes the project, copies the last changes, and makes this node its home. */
async function takeOver(
  deps: ReceiveDeps,
  move: queries.MoveRow & { attempt: string },
  folder: string,
  { copy, ask, deadline, signal }: TakingOver,
): Promise<void> {
  const { db, dataDir } = deps;
  const { attempt } = move;
  const inState = async (
    state: queries.MoveRow["state"],
    work: (tx: Queryable) => Promise<void>,
  ): Promise<void> => {
    const isDone = await change(deps, move, async (tx, row) => {
      if (row.attempt !== attempt || row.state !== state || row.is_deleted) return null;
      await work(tx);
      return true;
    });
    if (isDone === null) throw new MoveEndedError();
  };
  let placed: readonly string[] = [];
  try {
    // A home that was killed meanwhile answers after its start.
    (await retryWhileAway(AWAY_MS, signal, () => ask("POST", "freeze"), isAway)).resume();
    const all = await filesOf(deps, move);
    // If it fails, the rest is copied in use before the project is frozen again.
    await copy.finish(all);
    const parts = await presentParts(folder, all);
    requireTime(deadline);
    await inState("freezing", (tx) => queries.setSwitching(tx, move.id));
    placed = parts;
    await moveParts(folder, dataDir, parts);
    // The home may not change before a power failure can no longer undo this.
    await flushToDisk(dataDir);
    await inState("switching", async (tx) => {
      await requireEpoch(tx, db.node);
      if (!(await queries.isFromEpochCurrent(tx, move.id))) throw new MoveEndedError();
      await queries.switchHome(tx, move.id);
    });
    await removeTree(folder);
  } catch (error) {
    if (isDatabaseError(error)) throw error;
    const isBack = await change(deps, move, async (tx, row) => {
      if (row.attempt !== attempt || row.state === "cleaning") return null;
      await queries.unfreeze(tx, move.id);
      return true;
    });
    if (isBack === null) throw new MoveEndedError();
    // What was in place already.
    await moveBack(folder, dataDir, placed);
    throw error;
  }
}

const isUnderWay = ({ state }: queries.MoveRow): boolean =>
  state === "copying" || state === "freezing" || state === "switching";

/** Whether the home does not answer, as opposed to one with work in progress. */
const isAway = (error: HomeBusyError): boolean => error.isAway;

/** Repeats work while the home is busy or away. */
async function retryWhileAway<Result>(
  limitMs: number,
  signal: AbortSignal,
  work: () => Promise<Result>,
  mayRepeat: (error: HomeBusyError) => boolean = () => true,
  retryMs = RETRY_MS,
): Promise<Result> {
  const end = performance.now() + limitMs;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof HomeBusyError) || !mayRepeat(error)) throw error;
      if (performance.now() > end) throw error;
      await pause(retryMs, undefined, { signal, ref: false });
    }
  }
}

/** Changes a move under the locks of its organization and its row; null if it is gone. */
function change<Result>(
  { db }: Pick<ReceiveDeps, "db">,
  { id, org_id }: Pick<queries.MoveRow, "id" | "org_id">,
  work: (tx: Queryable, row: queries.MoveRow) => Promise<Result>,
): Promise<Result | null> {
  return db.withSystemTx("change the move of a project", async (tx) => {
    await lockOrganizations(tx, [org_id]);
    await requireEpoch(tx, db.node);
    const row = await queries.lockMove(tx, id);
    return row ? work(tx, row) : null;
  });
}

/** Removes what an attempt has left, unless this node is the home. */
async function clear(deps: ReceiveDeps, move: queries.MoveRow): Promise<void> {
  const { db, dataDir } = deps;
  const home = await db.withSystem("find the home of a project", (tx) =>
    queries.findHome(tx, move.project_id),
  );
  if (home !== db.node.id) await removeFiles(dataDir, await filesOf(deps, move));
  const folder = join(arrivals(dataDir), move.id);
  if (await exists(folder)) await removeTree(folder);
}

function reasonOf(error: unknown): string {
  const { message } = error as Error;
  return `${message.slice(0, 1).toUpperCase()}${message.slice(1, 500)}`;
}
