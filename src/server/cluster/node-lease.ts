import { statfs } from "node:fs/promises";
import { availableParallelism, loadavg } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import { drizzle } from "drizzle-orm/node-postgres";
import type { Logger } from "pino";
import type { Database, Queryable } from "../db/connection/connect.js";
import { homeUnavailable } from "../errors.js";
import { LEASE_SECONDS, renewLease, type NodeState } from "./nodes.queries.js";
import type { OwnNode } from "./register-node.js";

const renewMs = 3000;
/** A node stops writing this long before its lease ends: commands that have begun end within this time. */
const MARGIN_MS = 3000;
const checkMs = 250;

/** The lease of this server's node. */
export interface NodeLease {
  /** Whether the node may write. */
  isHeld(): boolean;
  /** @throws AppError 503 `home_unavailable` when the lease has ended */
  require(): void;
  /** Waits until the node may write. @throws the reason of the signal when it is aborted */
  untilHeld(signal: AbortSignal): Promise<void>;
  /** Calls the listener each time the node may no longer write. Returns a function that removes it. */
  onLapse(listener: () => void): () => void;
  stop(): Promise<void>;
}

/**
 * Renews the lease of the node until `stop`. Times are local and relative to the last renewal, so that clocks
 * need not agree; the shorter of the monotonic and the wall clock counts, because a suspended machine stops
 * the former.
 * @param onLost called once when another machine or node has taken over
 */
export function holdLease(
  db: Database,
  node: OwnNode,
  { dataDir, runsCommands }: { dataDir: string; runsCommands: boolean },
  log: Logger,
  onLost: () => void,
): NodeLease {
  const validMs = LEASE_SECONDS * 1000 - MARGIN_MS;
  // Without a cluster nothing depends on the time of a renewal.
  const connection = drizzle(node.url === null ? db.systemPool : db.leasePool) as Queryable;
  let until = { monotonic: performance.now() + validMs, wall: Date.now() + validMs };
  let isLost = false;
  let renewing: Promise<void> | null = null;
  let hasLapsed = false;
  const listeners = new Set<() => void>();
  const isHeld = (): boolean =>
    !isLost &&
    // No other node can take over without a cluster.
    (node.url === null || (performance.now() < until.monotonic && Date.now() < until.wall));
  const check = (): void => {
    const isOver = !isHeld();
    if (isOver === hasLapsed) return;
    hasLapsed = isOver;
    if (!isOver) return;
    log.error({ node: node.name }, "the lease of the node has ended: it writes nothing");
    for (const listener of listeners) listener();
  };
  const renew = async (): Promise<void> => {
    const state = { ...(await readState(dataDir)), runs_commands: runsCommands };
    const sent = { monotonic: performance.now() + validMs, wall: Date.now() + validMs };
    if (await renewLease(connection, node, state)) {
      until = sent;
    } else if (!isLost) {
      isLost = true;
      log.fatal({ node: node.name }, "another server has taken over the data of this node");
      onLost();
    }
    check();
  };
  const begin = (): void => {
    renewing ??= renew()
      .catch((error: unknown) => log.warn({ err: error }, "cannot renew the lease of the node"))
      .finally(() => {
        renewing = null;
      });
  };
  // At once, because new projects go where the disk has room.
  begin();
  const timer = setInterval(begin, renewMs);
  timer.unref();
  const checking = node.url === null ? undefined : setInterval(check, checkMs).unref();
  return {
    isHeld,
    require: () => {
      if (!isHeld()) throw homeUnavailable();
    },
    untilHeld: async (signal) => {
      for (;;) {
        signal.throwIfAborted();
        if (isHeld()) return;
        await pause(checkMs, undefined, { ref: false });
      }
    },
    onLapse: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    stop: async () => {
      clearInterval(timer);
      clearInterval(checking);
      await renewing;
    },
  };
}

async function readState(dataDir: string): Promise<Omit<NodeState, "runs_commands">> {
  const { bsize, blocks, bavail } = await statfs(dataDir);
  return {
    disk_total_bytes: bsize * blocks,
    disk_free_bytes: bsize * bavail,
    load: loadavg()[0] ?? 0,
    processors: availableParallelism(),
  };
}
