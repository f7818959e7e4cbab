import { randomUUID } from "node:crypto";
import type pg from "pg";
import type { Logger } from "pino";
import type { ServerConfig } from "../hosts/database-client.js";
import { createCacheLeases, LAPSE_MS } from "./cache-leases.js";
import { ListeningConnection } from "./listening-connection.js";

/** A row changed by any server process, delivered after its transaction committed. */
export interface RowChange {
  table: string;
  orgId: string | null;
  /** The id of the row's subject, chosen by the table's trigger: see `migrations/0009_changes.sql`. */
  id: string | null;
  /** Further words of the trigger: the type and the subject of an event. */
  rest?: readonly string[];
}

/** The changes made by any server process, delivered by LISTEN and NOTIFY. */
export interface ChangeFeed {
  /** Whether cached values may be used: this process has proved within the last seconds that it hears changes. */
  readonly mayCache: boolean;
  /** The reason why they may not, and its cure; null while they may. The process is then not ready. */
  readonly obstacle: string | null;
  /** Calls the listener for each change, and with null when changes may have been missed. */
  subscribe(listener: (change: RowChange | null) => void): () => void;
  /** Resolves when this process has received every change committed before the call. */
  syncLocal(): Promise<void>;
  /**
   * Resolves when every server process has received the changes committed before the call, or may no longer answer
   * from its caches.
   */
  syncAll(): Promise<void>;
  /**
   * Resolves when each process of this node has ended its work on a subject, see `onDrain`. Those of other nodes
   * are not waited for.
   * @param subject without spaces
   * @returns false when a process has not answered within `timeoutMs`
   */
  drainAll(subject: string, timeoutMs: number): Promise<boolean>;
  /** Makes this process one of a node. Other processes know it by a lock of the listening connection. */
  joinNode(nodeId: string): void;
  /** Ends this process's work on a subject of `drainAll`, of any process. A rejection answers nothing. */
  onDrain(drain: (subject: string) => Promise<void>): void;
  close(): Promise<void>;
}

/** Time after which a call is repeated, for processes that have reconnected. */
const REPEAT_MS = 250;
const LOCK_NODE = "select pg_advisory_lock_shared(hashtextextended('changes of node ' || $1, 0))";
/** The backends of the processes of a node. */
const PIDS_OF_NODE = `select pid::text from pg_locks where locktype = 'advisory' and granted
  and database = (select oid from pg_database where datname = current_database()) and objsubid = 1
  and ((classid::bigint << 32) | objid::bigint)
    = hashtextextended('changes of node ' || $1::text, 0)`;

/** The pools whose notifications a feed hears. */
export interface FeedPools {
  /** For calls of other processes. */
  requests: pg.Pool;
  /** For the proofs that this process hears changes: a connection that no request delays. */
  proofs: pg.Pool;
}

/**
 * Starts listening.
 * @param address where sessions last, as the serving role
 * @throws ConfigError when notifications of the pools do not arrive there; an error of the driver
 */
export async function listenForChanges(
  address: ServerConfig,
  { requests, proofs }: FeedPools,
  log: Logger,
): Promise<ChangeFeed> {
  const listeners = new Set<(change: RowChange | null) => void>();
  /** Receivers of the answers to calls, by token. An answer is of a process and of its listening backend. */
  const calls = new Map<string, (processId: string, pid: string) => void>();
  const leases = createCacheLeases(proofs);
  let closed = false;
  let node: string | null = null;
  let drain: (subject: string) => Promise<void> = async () => {};
  /** A query that has not been sent yet; concurrent callers share it. */
  let next: Promise<void> | null = null;

  const notify = (change: RowChange | null): void => {
    for (const listener of listeners) listener(change);
  };
  const answer = (call: string): void => {
    // Notifications arrive in commit order, so every change before this call has been received.
    const [token = "", subject] = call.split(" ");
    const acknowledge = (): void =>
      void connection.run("select pg_notify('omoi_heard', $1)", [`${token} ${leases.processId}`]);
    if (subject === undefined) acknowledge();
    else {
      drain(subject).then(acknowledge, (error: unknown) => {
        log.warn({ err: error, subject }, "could not end the work on a subject");
      });
    }
  };
  const connection = new ListeningConnection({
    address,
    leases,
    log,
    channels: ["omoi_changes", "omoi_call", "omoi_heard"],
    onNotification: ({ channel, payload = "", processId: pid }) => {
      if (channel === "omoi_changes") notify(changeOf(payload));
      else if (channel === "omoi_call") answer(payload);
      else {
        const [token = "", processId = ""] = payload.split(" ");
        calls.get(token)?.(processId, String(pid));
      }
    },
    onGap: () => notify(null),
  });

  const syncAll = async (): Promise<void> => {
    const token = randomUUID();
    const acknowledged = new Set<string>();
    let changed = (): void => {};
    /** When the lease of each process ends that had one at the first call. */
    let ends: Map<string, number> | null = null;
    const isDone = (): boolean =>
      ends !== null &&
      [...ends].every(([id, at]) => acknowledged.has(id) || at <= performance.now());
    calls.set(token, (processId) => {
      acknowledged.add(processId);
      changed();
    });
    // Then every lease has ended whose process has not received the change.
    const end = performance.now() + LAPSE_MS;
    try {
      for (;;) {
        if (closed || performance.now() >= end) return;
        // The change is made, whatever happens to a connection.
        const present = await leases.call(requests, token).catch(() => null);
        if (present) ends = new Map([...(ends ?? present)].filter(([id]) => present.has(id)));
        await new Promise<void>((resolve) => {
          const late = setTimeout(resolve, REPEAT_MS);
          changed = () => {
            if (!isDone()) return;
            clearTimeout(late);
            resolve();
          };
          changed();
        });
        if (isDone()) return;
      }
    } finally {
      calls.delete(token);
    }
  };

  const drainAll = async (subject: string, timeoutMs: number): Promise<boolean> => {
    // Answers arrive only here, and processes without a lease may not be known.
    if (!connection.mayCache || leases.isIncomplete) return false;
    const { rows } = await requests.query<{ pid: string }>({
      name: "find who listens at a node",
      text: PIDS_OF_NODE,
      values: [node],
    });
    // At least this process listens.
    if (rows.length === 0) return false;
    const silent = new Set(rows.map(({ pid }) => pid));
    const token = randomUUID();
    await new Promise<void>((resolve, reject) => {
      const late = setTimeout(resolve, timeoutMs);
      calls.set(token, (_processId, pid) => {
        silent.delete(pid);
        if (silent.size > 0) return;
        clearTimeout(late);
        resolve();
      });
      requests.query("select pg_notify('omoi_call', $1)", [`${token} ${subject}`]).catch(reject);
    }).finally(() => calls.delete(token));
    return silent.size === 0;
  };

  // Connecting is no part of a proof.
  await proofs.query("select");
  await connection.open();
  return {
    get mayCache() {
      return connection.mayCache;
    },
    get obstacle() {
      return connection.obstacle;
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    syncLocal: async () => {
      // PostgreSQL delivers pending notifications before it answers the next query.
      next ??= connection.idle().then(() => {
        next = null;
        return connection.run("select");
      });
      await next;
    },
    syncAll,
    drainAll,
    joinNode: (nodeId) => {
      node = nodeId;
      connection.keep(LOCK_NODE, [nodeId]);
    },
    onDrain: (work) => {
      drain = work;
    },
    close: async () => {
      closed = true;
      await connection.close();
    },
  };
}

function changeOf(payload: string): RowChange {
  const [table = "", orgId = "-", id = "-", ...rest] = payload.split(" ");
  return { table, orgId: orgId === "-" ? null : orgId, id: id === "-" ? null : id, rest };
}
