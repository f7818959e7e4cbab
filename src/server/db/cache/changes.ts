import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import type { Logger } from "pino";

/** A row that somebody changed, in whatever server process; heard after its transaction has ended. */
export interface RowChange {
  table: string;
  orgId: string | null;
  /** What the row is about, as the trigger of its table says: see `migrations/0009_changes.sql`. */
  id: string | null;
}

/** Hears of changes that any server process makes, by LISTEN and NOTIFY. */
export interface ChangeFeed {
  /** Whether it hears. While it does not, nothing may be answered from memory. */
  readonly hears: boolean;
  /** Calls back for each change; and with null where changes may have been missed. */
  subscribe(listener: (change: RowChange | null) => void): () => void;
  /** Settles when this process has heard of all that was committed before the call. */
  syncLocal(): Promise<void>;
  /**
   * Settles when every server process has heard of all that was committed before the call, or has had
   * the time to notice that it cannot hear and forgets by itself.
   */
  syncAll(): Promise<void>;
  close(): Promise<void>;
}

const application = "omoi changes";
/** A connection that does not answer within this long does not hear. */
const checkMs = 2000;
/** Longer than a process takes to notice that it is deaf: twice the check. */
const timeoutMs = 5000;
const retryMs = 500;

/** Starts listening. @param connection as the role that serves */
export async function listenForChanges(
  connection: pg.ClientConfig,
  pool: pg.Pool,
  log: Logger,
): Promise<ChangeFeed> {
  const listeners = new Set<(change: RowChange | null) => void>();
  /** Calls of `syncAll` by their word, with the processes that have not answered yet. */
  const waiting = new Map<string, { silent: Set<number>; done: () => void }>();
  let connected: pg.Client | null = null;
  let closed = false;
  /** The last question on the listening connection, which takes one at a time. */
  let asked: Promise<unknown> = Promise.resolve();
  /** One that has not been sent yet: whoever asks meanwhile shares it. */
  let next: Promise<void> | null = null;

  /** Asks on the listening connection; one that fails does not hear any more. */
  const ask = (client: pg.Client, text: string, values: string[] = []): Promise<void> => {
    const answer = asked
      .then(() => client.query(text, values))
      .then(
        () => {},
        () => onDisconnect(client),
      );
    asked = answer;
    return answer;
  };

  const notify = (change: RowChange | null): void => {
    for (const listener of listeners) listener(change);
  };
  const answered = (word: string, processId: number): void => {
    const call = waiting.get(word);
    if (!call?.silent.delete(processId) || call.silent.size > 0) return;
    call.done();
  };
  const hear = (client: pg.Client, { channel, payload = "", processId }: pg.Notification): void => {
    if (client !== connected) return;
    if (channel === "omoi_changes") notify(changeOf(payload));
    else if (channel === "omoi_heard") answered(payload, processId);
    else {
      // Everything before this call has been heard, for notifications come in the order of commits.
      void ask(client, "select pg_notify('omoi_heard', $1)", [payload]);
    }
  };
  const onDisconnect = (client: pg.Client): void => {
    if (client !== connected) return;
    connected = null;
    asked = Promise.resolve();
    notify(null);
    for (const { done } of waiting.values()) done();
    // Ended without waiting: the other side may be gone.
    client.end().catch(() => {});
    if (closed) return;
    log.warn("the database's changes cannot be heard; answering without memory until they can");
    retry();
  };
  const retry = (): void => {
    setTimeout(() => {
      if (!closed) listen().catch(retry);
    }, retryMs).unref();
  };
  const listen = async (): Promise<void> => {
    const client = new pg.Client({
      ...connection,
      application_name: application,
      keepAlive: true,
      connectionTimeoutMillis: checkMs,
    });
    client.on("error", () => onDisconnect(client));
    client.on("end", () => onDisconnect(client));
    client.on("notification", (notification) => hear(client, notification));
    try {
      await client.connect();
      await client.query("listen omoi_changes; listen omoi_call; listen omoi_heard");
    } catch (error) {
      await client.end().catch(() => {});
      throw error;
    }
    connected = client;
    // What was read while nobody listened may be stale.
    notify(null);
  };
  const check = setInterval(() => {
    const client = connected;
    if (!client) return;
    const late = setTimeout(() => onDisconnect(client), checkMs);
    void ask(client, "select").finally(() => clearTimeout(late));
  }, checkMs);
  check.unref();

  /** Asks all who listen whether they have heard; false where this process cannot hear their answers. */
  const everybodyHeard = async (timeout: number): Promise<boolean> => {
    const client = connected;
    if (!client) return false;
    const { rows } = await pool.query<{ pid: number }>({
      name: "find who listens",
      text: `select pid from pg_stat_activity
        where application_name = '${application}' and datname = current_database()`,
    });
    const word = randomUUID();
    await new Promise<void>((resolve, reject) => {
      const late = setTimeout(resolve, timeout);
      const done = (): void => {
        clearTimeout(late);
        resolve();
      };
      waiting.set(word, { silent: new Set(rows.map(({ pid }) => pid)), done });
      pool.query("select pg_notify('omoi_call', $1)", [word]).catch(reject);
    }).finally(() => waiting.delete(word));
    return client === connected;
  };

  await listen();
  return {
    get hears() {
      return connected !== null;
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    syncLocal: async () => {
      // PostgreSQL hands out what it has to tell before it is ready for the next question.
      next ??= asked.then(() => {
        next = null;
        return connected ? ask(connected, "select") : undefined;
      });
      await next;
    },
    syncAll: async () => {
      // Who loses his ears asks again when he has them back. When the patience is over, whoever did not
      // answer has noticed that he cannot hear.
      const end = Date.now() + timeoutMs;
      for (;;) {
        if (closed || Date.now() >= end || (await everybodyHeard(end - Date.now()))) return;
        await pause(retryMs / 10);
      }
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
  const [table = "", orgId = "-", id = "-"] = payload.split(" ");
  return { table, orgId: orgId === "-" ? null : orgId, id: id === "-" ? null : id };
}
