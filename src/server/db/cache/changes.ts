import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import type pg from "pg";
import type { Logger } from "pino";
import { DatabaseClient, type ServerConfig } from "../hosts/database-client.js";

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
  /** Whether the feed is connected. While it is not, no cached value may be used. */
  readonly isConnected: boolean;
  /** Calls the listener for each change, and with null when changes may have been missed. */
  subscribe(listener: (change: RowChange | null) => void): () => void;
  /** Resolves when this process has received every change committed before the call. */
  syncLocal(): Promise<void>;
  /**
   * Resolves when every server process has received the changes committed before the call, or has had
   * time to notice its lost connection and drop its cache.
   */
  syncAll(): Promise<void>;
  /**
   * Resolves when each process of this node has ended its work on a subject, see `answerSettle`. Those of other nodes
   * are not waited for.
   * @param subject without spaces
   * @returns false when a process has not answered within `timeoutMs`
   */
  settleAll(subject: string, timeoutMs: number): Promise<boolean>;
  /** Makes this process one of a node. Other processes know it by a lock of the listening connection. */
  joinNode(nodeId: string): void;
  /** Ends this process's work on a subject of `settleAll`, of any process. A rejection answers nothing. */
  answerSettle(settle: (subject: string) => Promise<void>): void;
  close(): Promise<void>;
}

const APPLICATION_NAME = "omoi changes";
/** Timeout of a query on the listening connection, after which the feed counts as disconnected. */
const CHECK_TIMEOUT_MS = 2000;
/** Longer than a process needs to notice a lost connection: twice the check. */
const SYNC_TIMEOUT_MS = 5000;
const RETRY_DELAY_MS = 500;
const LOCK_NODE = "select pg_advisory_lock_shared(hashtextextended('changes of node ' || $1, 0))";
/** The backends of the processes of a node. */
const PIDS_OF_NODE = `array(select pid from pg_locks where locktype = 'advisory' and granted
  and database = (select oid from pg_database where datname = current_database()) and objsubid = 1
  and ((classid::bigint << 32) | objid::bigint)
    = hashtextextended('changes of node ' || $1::text, 0))`;
/** Identifies a running server: another one, or a restarted one, has another start. */
const SERVER_START = "pg_postmaster_start_time()::text as server";

/**
 * Starts listening.
 * @param connection of the serving role
 */
export async function listenForChanges(
  connection: ServerConfig,
  pool: pg.Pool,
  log: Logger,
): Promise<ChangeFeed> {
  const listeners = new Set<(change: RowChange | null) => void>();
  /** Pending `syncAll` calls by payload, with the backends that have not acknowledged yet. */
  const waiting = new Map<string, { silent: Set<number>; done: () => void }>();
  let connected: pg.Client | null = null;
  /** The server of the listening connection. */
  let server: string | null = null;
  /**
   * Until then other processes may still listen to the previous server, which this server does not know;
   * they have not noticed yet that their connection is lost.
   */
  let unsettledUntil = 0;
  let closed = false;
  let node: string | null = null;
  let settle: (subject: string) => Promise<void> = async () => {};
  /** The last query on the listening connection, which runs one at a time. */
  let lastQuery: Promise<unknown> = Promise.resolve();
  /** A query that has not been sent yet; concurrent callers share it. */
  let next: Promise<void> | null = null;

  /** Runs a query on the listening connection. A failure disconnects the feed. */
  const send = (client: pg.Client, text: string, values: string[] = []): Promise<void> => {
    const answer = lastQuery
      .then(() => client.query(text, values))
      .then(
        () => {},
        () => onDisconnect(client),
      );
    lastQuery = answer;
    return answer;
  };

  const notify = (change: RowChange | null): void => {
    for (const listener of listeners) listener(change);
  };
  const acknowledge = (token: string, processId: number): void => {
    const call = waiting.get(token);
    if (!call?.silent.delete(processId) || call.silent.size > 0) return;
    call.done();
  };
  const onNotification = (
    client: pg.Client,
    { channel, payload = "", processId }: pg.Notification,
  ): void => {
    if (client !== connected) return;
    if (channel === "omoi_changes") notify(changeOf(payload));
    else if (channel === "omoi_heard") acknowledge(payload, processId);
    else {
      // Notifications arrive in commit order, so every change before this call has been received.
      const [token = "", subject] = payload.split(" ");
      const answer = (): void => {
        if (client === connected) void send(client, "select pg_notify('omoi_heard', $1)", [token]);
      };
      if (subject === undefined) answer();
      else {
        settle(subject).then(answer, (error: unknown) => {
          log.warn({ err: error, subject }, "could not end the work on a subject");
        });
      }
    }
  };
  const onDisconnect = (client: pg.Client): void => {
    if (client !== connected) return;
    connected = null;
    lastQuery = Promise.resolve();
    notify(null);
    for (const { done } of waiting.values()) done();
    // Not awaited: the peer may be gone.
    client.end().catch(() => {});
    if (closed) return;
    log.warn("lost the database's change feed; serving without caches until it reconnects");
    retry();
  };
  /** Disconnects a feed that hears nothing of the pool's server. Returns whether it hears it. */
  const onServer = (client: pg.Client, current: string | undefined): boolean => {
    if (client !== connected) return false;
    if (current === undefined || current === server) return true;
    onDisconnect(client);
    return false;
  };
  const retry = (): void => {
    setTimeout(() => {
      if (!closed) listen().catch(retry);
    }, RETRY_DELAY_MS).unref();
  };
  const listen = async (): Promise<void> => {
    const client = new DatabaseClient({
      ...connection,
      application_name: APPLICATION_NAME,
      keepAlive: true,
      connectionTimeoutMillis: CHECK_TIMEOUT_MS,
    });
    client.on("error", () => onDisconnect(client));
    client.on("end", () => onDisconnect(client));
    client.on("notification", (notification) => onNotification(client, notification));
    try {
      await client.connect();
      await client.query("listen omoi_changes; listen omoi_call; listen omoi_heard");
      if (node !== null) await client.query(LOCK_NODE, [node]);
      const { rows } = await client.query<{ server: string }>(`select ${SERVER_START}`);
      const current = rows[0]?.server ?? null;
      // At the start, a failover may have happened just before.
      const isOther = server === null ? connection.hosts !== undefined : server !== current;
      if (isOther) unsettledUntil = Date.now() + SYNC_TIMEOUT_MS;
      server = current;
    } catch (error) {
      await client.end().catch(() => {});
      throw error;
    }
    connected = client;
    // Values read while disconnected may be stale.
    notify(null);
  };
  const check = setInterval(() => {
    const client = connected;
    if (!client) return;
    const late = setTimeout(() => onDisconnect(client), CHECK_TIMEOUT_MS);
    void send(client, "select").finally(() => clearTimeout(late));
    // A pooler or a name in the DNS may lead the pool to another server than this connection's.
    pool
      .query<{ server: string }>({ name: "find the server", text: `select ${SERVER_START}` })
      .then(
        ({ rows }) => onServer(client, rows[0]?.server),
        () => {},
      );
  }, CHECK_TIMEOUT_MS);
  check.unref();

  /** Returns the backends of which an answer is awaited: of all processes, or of those of this node. */
  const findListening = async (
    ofNode: string | null,
  ): Promise<{ pids: number[]; server: string } | undefined> => {
    const { rows } = await (ofNode === null
      ? pool.query<{ pids: number[]; server: string }>({
          name: "find who listens",
          text: `select ${SERVER_START}, array(select pid from pg_stat_activity
            where application_name = '${APPLICATION_NAME}' and datname = current_database()) as pids`,
        })
      : pool.query<{ pids: number[]; server: string }>({
          name: "find who listens at a node",
          text: `select ${SERVER_START}, ${PIDS_OF_NODE} as pids`,
          values: [ofNode],
        }));
    return rows[0];
  };

  /**
   * Asks all listening backends to acknowledge; false when this process cannot receive their answers, or with
   * a subject when one has not answered in time.
   */
  const allAcknowledged = async (timeout: number, subject?: string): Promise<boolean> => {
    const client = connected;
    if (!client) return false;
    const listening = await findListening(subject === undefined ? null : node);
    if (!onServer(client, listening?.server)) return false;
    // At least this process listens.
    if (subject !== undefined && listening?.pids.length === 0) return false;
    const token = randomUUID();
    const silent = new Set(listening?.pids);
    await new Promise<void>((resolve, reject) => {
      const late = setTimeout(resolve, timeout);
      const done = (): void => {
        clearTimeout(late);
        resolve();
      };
      waiting.set(token, { silent, done });
      const call = subject === undefined ? token : `${token} ${subject}`;
      pool.query("select pg_notify('omoi_call', $1)", [call]).catch(reject);
    }).finally(() => waiting.delete(token));
    return client === connected && (subject === undefined || silent.size === 0);
  };

  await listen();
  return {
    get isConnected() {
      return connected !== null;
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    syncLocal: async () => {
      // PostgreSQL delivers pending notifications before it answers the next query.
      next ??= lastQuery.then(() => {
        next = null;
        return connected ? send(connected, "select") : undefined;
      });
      await next;
    },
    syncAll: async () => {
      // After a lost connection the question is repeated on the new one. Once the timeout has passed,
      // every silent process has noticed its own lost connection.
      const end = Date.now() + SYNC_TIMEOUT_MS;
      for (;;) {
        if (closed || Date.now() >= end) return;
        // The change is made, whatever happens to this connection.
        if (await allAcknowledged(end - Date.now()).catch(() => false)) break;
        await pause(RETRY_DELAY_MS / 10);
      }
      const rest = unsettledUntil - Date.now();
      if (rest > 0) await pause(rest);
    },
    settleAll: (subject, timeoutMs) =>
      unsettledUntil > Date.now() ? Promise.resolve(false) : allAcknowledged(timeoutMs, subject),
    joinNode: (nodeId) => {
      node = nodeId;
      if (connected) void send(connected, LOCK_NODE, [nodeId]);
    },
    answerSettle: (work) => {
      settle = work;
    },
    close: async () => {
      closed = true;
      clearInterval(check);
      const client = connected;
      connected = null;
      await client?.end();
    },
  };
}

function changeOf(payload: string): RowChange {
  const [table = "", orgId = "-", id = "-", ...rest] = payload.split(" ");
  return { table, orgId: orgId === "-" ? null : orgId, id: id === "-" ? null : id, rest };
}
