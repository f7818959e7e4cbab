import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { nameOf, type Host } from "./parse-hosts.js";
import type { ServerHistory, ServerState } from "./server-history.js";

/** Maximum time to connect to one server, unless the address sets `connect_timeout`. */
const CONNECT_TIMEOUT_MS = 3000;
/**
 * Time that other servers have to report a newer timeline, after one accepts writes on the timeline that is
 * known already.
 */
const NEWER_TIMEOUT_MS = 1000;
/** Interval of looking for a newer primary while connections to the old one still work. */
const WATCH_INTERVAL_MS = 5000;

/** No listed server accepts writes. The code is the SQLSTATE of a connection that was not established. */
export class NoPrimaryError extends Error {
  override readonly name = "NoPrimaryError";
  readonly code = "08001";
}

/** A server's answer: its state, or why it gave none. */
type Answer = { host: Host; state: ServerState } | { host: Host; failure: string };

/** The servers of one address, of which one accepts writes. */
export class DatabaseHosts {
  readonly hosts: readonly Host[];
  readonly history: ServerHistory;
  readonly timeoutMs: number;
  #primary: Host | null = null;
  #search: Promise<Host> | null = null;

  constructor(hosts: readonly Host[], history: ServerHistory, timeoutMs: number | null) {
    this.hosts = hosts;
    this.history = history;
    this.timeoutMs = timeoutMs ?? CONNECT_TIMEOUT_MS;
  }

  /**
   * Returns the server that accepts writes. Concurrent callers share one search.
   * @param config role, database and TLS settings of the connections
   * @throws NoPrimaryError naming each server and its reason
   */
  primary(config: pg.ClientConfig): Promise<Host> {
    if (this.#primary) return Promise.resolve(this.#primary);
    this.#search ??= this.#find(config).finally(() => {
      this.#search = null;
    });
    return this.#search;
  }

  /** Searches again before the next connection. */
  forget(): void {
    this.#primary = null;
  }

  /** Accepts the state of a new connection. @throws NoPrimaryError if its server is not the primary */
  verify(host: Host, state: ServerState): void {
    const refusal = this.history.refusalOf(state);
    if (refusal !== null) throw new NoPrimaryError(`${nameOf(host)} ${refusal}`);
    this.history.accept(state);
  }

  /**
   * Looks for a promoted server every few seconds, and reports servers that could not replace the primary.
   * @param report receives each new failure of a server once
   * @returns a function that ends it
   */
  watch(config: pg.ClientConfig, report: (host: string, failure: string) => void): () => void {
    if (this.hosts.length === 1) return () => {};
    const ended = new AbortController();
    const reported = new Map<string, string>();
    const look = async (): Promise<void> => {
      const primary = this.#primary;
      const others = this.hosts.filter((host) => host !== primary);
      for (const answer of await Promise.all(others.map((host) => this.#ask(host, config)))) {
        const name = nameOf(answer.host);
        const failure =
          "failure" in answer
            ? answer.failure
            : answer.state.refusal === null
              ? this.history.refusalOf(answer.state)
              : null;
        if (failure === null) {
          reported.delete(name);
          if ("state" in answer && answer.state.refusal === null) this.#advance(answer);
        } else if (reported.get(name) !== failure && !ended.signal.aborted) {
          reported.set(name, failure);
          report(name, failure);
        }
      }
    };
    const run = async (): Promise<void> => {
      while (!ended.signal.aborted) {
        await look();
        await pause(WATCH_INTERVAL_MS, undefined, { signal: ended.signal, ref: false });
      }
    };
    run().catch(() => {});
    return () => ended.abort();
  }

  /** Moves to a primary of a newer timeline. */
  #advance({ host, state }: { host: Host; state: ServerState }): void {
    if ((state.timeline ?? 0) <= (this.history.timeline ?? 0)) return;
    this.#primary = host;
    this.history.accept(state);
  }

  async #find(config: pg.ClientConfig): Promise<Host> {
    const known = this.history.timeline;
    const answers: Answer[] = [];
    const best = await new Promise<{ host: Host; state: ServerState } | null>((resolve) => {
      const newest = (): { host: Host; state: ServerState } | null =>
        answers
          .filter((answer) => "state" in answer)
          .filter(({ state }) => this.history.refusalOf(state) === null)
          .toSorted((a, b) => (b.state.timeline ?? 0) - (a.state.timeline ?? 0))[0] ?? null;
      for (const host of this.hosts) {
        void this.#ask(host, config).then((answer) => {
          answers.push(answer);
          const found = newest();
          const timeline = found?.state.timeline ?? null;
          if (answers.length === this.hosts.length) resolve(found);
          else if (found && known !== null && timeline !== null) {
            if (timeline > known) resolve(found);
            else setTimeout(() => resolve(newest()), NEWER_TIMEOUT_MS).unref();
          }
        });
      }
    });
    if (best === null) {
      const reasons = answers.map((answer) => {
        const why =
          "failure" in answer ? `: ${answer.failure}` : ` ${this.history.refusalOf(answer.state)}`;
        return `${nameOf(answer.host)}${why}`;
      });
      throw new NoPrimaryError(`no server accepts writes: ${reasons.join("; ")}`);
    }
    this.#primary = best.host;
    return best.host;
  }

  /** Connects to one server and asks for its state. */
  async #ask(host: Host, config: pg.ClientConfig): Promise<Answer> {
    const client = new pg.Client({
      ...config,
      // Not enumerable in the configuration of a pool.
      ...(config.password === undefined ? {} : { password: config.password }),
      ...host,
      connectionTimeoutMillis: this.timeoutMs,
    });
    client.on("error", () => {});
    try {
      await client.connect();
      return { host, state: await stateOf(client, this.timeoutMs) };
    } catch (error) {
      return { host, failure: reasonOf(error) };
    } finally {
      client.end().catch(() => {});
    }
  }
}

/** Asks a server for its state. A server that hangs fails after `timeoutMs`. */
export async function stateOf(client: pg.Client, timeoutMs: number): Promise<ServerState> {
  const late = setTimeout(() => destroy(client), timeoutMs);
  try {
    const { rows } = await client.query<{ standby: boolean; read_only: boolean }>(
      `select pg_is_in_recovery() as standby,
         current_setting('transaction_read_only') = 'on' as read_only`,
    );
    const [{ standby, read_only } = { standby: true, read_only: true }] = rows;
    if (standby || read_only) {
      const refusal = standby ? "is a standby" : "is read-only";
      return { refusal, system: null, timeline: null };
    }
    return { refusal: null, ...(await originOf(client)) };
  } finally {
    clearTimeout(late);
  }
}

/** Some managed services forbid these functions; timelines are not compared there. */
async function originOf(client: pg.Client): Promise<Pick<ServerState, "system" | "timeline">> {
  try {
    const { rows } = await client.query<{ system: string; wal: string }>(
      `select system_identifier::text as system, pg_walfile_name(pg_current_wal_insert_lsn()) as wal
       from pg_control_system()`,
    );
    const [row] = rows;
    // The name of a WAL file begins with the timeline: eight hexadecimal digits.
    return row
      ? { system: row.system, timeline: Number.parseInt(row.wal.slice(0, 8), 16) }
      : { system: null, timeline: null };
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error;
    return { system: null, timeline: null };
  }
}

/** Breaks a connection without waiting for its server. */
export function destroy(client: pg.Client): void {
  (
    client as pg.Client & { connection: { stream: { destroy(): void } } }
  ).connection.stream.destroy();
}

function reasonOf(error: unknown): string {
  const { message, code, errors } = error as Error & { code?: string; errors?: Error[] };
  return (message || errors?.[0]?.message || code || String(error)).split("\n", 1)[0] ?? "";
}
