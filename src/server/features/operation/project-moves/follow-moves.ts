import { deleteCopy, takeBack } from "./leave-project.js";
import * as queries from "./moves.queries.js";
import { receiveProject, type ReceiveDeps } from "./receive-project.js";

const POLL_MS = 1000;

export interface FollowedMoves extends ReceiveDeps {
  /** Recovers what the earlier home of a project left in between. */
  recover: () => Promise<void>;
  /** Moves of projects that were frozen here, and are not known to be in use again. */
  frozen: Set<string>;
  /** Mounts the folders of this node's workspaces that are not. */
  mountFolders: () => Promise<void>;
}

/**
 * Does this node's part of moves, which any node and the command line start: a row is all that they need. Of several
 * processes of the node one does it.
 */
export function followMoves(deps: FollowedMoves): { stop(): Promise<void> } {
  const { db, cluster, log, frozen } = deps;
  const stopping = new AbortController();
  const recovered = new Set<string>();

  /** Completes what the earlier home left in between. */
  const recoverIn = async ({ id }: queries.MoveRow): Promise<void> => {
    await deps.recover();
    await deps.mountFolders();
    recovered.add(id);
  };
  const receive = async (move: queries.MoveRow): Promise<void> => {
    const lapsed = new AbortController();
    const forget = cluster.lease.onLapse(() => lapsed.abort());
    try {
      const signal = AbortSignal.any([stopping.signal, lapsed.signal]);
      if (await receiveProject(deps, move, signal)) await recoverIn(move);
    } finally {
      forget();
    }
  };
  const isReceived = ({ to, state }: queries.MoveRow): boolean =>
    to.id === db.node.id && state !== "cleaning";
  const partOf = (move: queries.MoveRow): (() => Promise<void>) | null => {
    const isHere = move.to.id === db.node.id;
    if (move.state === "cleaning") {
      if (!isHere) return () => deleteCopy(deps, move);
      if (recovered.has(move.id)) return null;
      return () => recoverIn(move);
    }
    if (isReceived(move)) return () => receive(move);
    return move.state === "copying" ? null : () => takeBack(deps, move);
  };
  const doPart = async (found: queries.MoveRow): Promise<void> => {
    try {
      await db.tryLock(`move ${found.id} at ${db.node.id}`, async () => {
        // Another process may have done its part meanwhile.
        const move = await db.withSystem("read a move", (tx) => queries.findMove(tx, found.id));
        if (move && ["copying", "freezing", "switching", "cleaning"].includes(move.state)) {
          await partOf(move)?.();
        }
      });
    } catch (error) {
      if (stopping.signal.aborted) return;
      log.warn({ err: error, project: found.project_id }, "the move of a project is repeated");
    }
  };
  // One at a time; the short parts of other moves go on meanwhile.
  let receiving: Promise<void> | null = null;
  const follow = async (): Promise<void> => {
    if (!cluster.lease.isHeld()) return;
    const before = [...frozen];
    const moves = await db.withSystem("find moves of projects", (tx) =>
      queries.listUnfinished(tx, db.node.id),
    );
    const isBack = before.some((id) => !moves.some((move) => move.id === id && isGone(move)));
    for (const id of before) frozen.delete(id);
    for (const { id, from, state } of moves) {
      if (from.id === db.node.id && isFrozen(state)) frozen.add(id);
    }
    if (isBack) await deps.mountFolders();
    for (const found of moves) {
      if (stopping.signal.aborted || partOf(found) === null) continue;
      if (!isReceived(found)) await doPart(found);
      else {
        receiving ??= doPart(found).finally(() => {
          receiving = null;
        });
      }
    }
  };
  let following: Promise<void> | null = null;
  const begin = (): void => {
    following ??= follow()
      .catch((error: unknown) => log.warn({ err: error }, "cannot follow moves of projects"))
      .finally(() => {
        following = null;
      });
  };
  const timer = setInterval(begin, POLL_MS);
  timer.unref();
  return {
    stop: async () => {
      stopping.abort();
      clearInterval(timer);
      await Promise.all([following, receiving]);
    },
  };
}

const isFrozen = (state: queries.MoveRow["state"]): boolean =>
  state === "freezing" || state === "switching";
/** Whether a project that was frozen is not in use here again. */
const isGone = ({ state }: queries.MoveRow): boolean => isFrozen(state) || state === "cleaning";
