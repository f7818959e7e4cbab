import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import type pg from "pg";
import { ConfigError } from "#shared/node/config-error.js";

/** The state of a server, as its connection reports it. */
export interface ServerState {
  /** Whether the server refuses writes: it is a standby, or its sessions are read-only. */
  refusal: "is a standby" | "is read-only" | null;
  /** The id that a primary and its standbys share; null if the server does not tell. */
  system: string | null;
  /** The timeline, which each promotion increases; null if the server does not tell. */
  timeline: number | null;
}

/** An open connection, as far as the history ends it. */
interface Connection {
  readonly client: pg.Client;
  readonly timeline: number | null;
  /** Breaks the connection at once; queries on it fail. */
  destroy(): void;
}

/** The newest primary of a database. */
interface Newest {
  system: string;
  timeline: number;
}

/**
 * The promotions that an installation has seen, shared by all addresses of one database. It refuses a
 * primary that another one has replaced, and breaks the connections to it.
 */
export class ServerHistory {
  readonly #connections = new Map<pg.Client, Connection>();
  readonly #file: string | null;
  #newest: Newest | null;
  /** Whether this process has connected to a primary; before, the record is that of the file. */
  #isSeen = false;

  /** @param file keeps the newest primary over restarts */
  constructor(file: string | null = null) {
    this.#file = file;
    this.#newest = file === null ? null : readNewest(file);
  }

  /** The highest timeline of a primary that this process has seen, or null. */
  get timeline(): number | null {
    return this.#isSeen ? (this.#newest?.timeline ?? null) : null;
  }

  /** Returns why a server is not the primary, or null. */
  refusalOf({ refusal, system, timeline }: ServerState): string | null {
    if (refusal !== null) return refusal;
    const newest = this.#newest;
    if (system === null || timeline === null || newest === null) return null;
    if (system !== newest.system) {
      // At a start the installation may have another database, such as a restored one.
      return this.#isSeen ? "is another database cluster, not a standby of the same primary" : null;
    }
    if (timeline >= newest.timeline) return null;
    const kept = this.#file === null || this.#isSeen ? "" : `, according to ${this.#file}`;
    return `is a replaced primary: its timeline is ${timeline}, and ${newest.timeline} exists${kept}`;
  }

  /** Records the primary. A newer one breaks all connections to earlier ones. */
  accept({ system, timeline }: ServerState): void {
    if (system === null || timeline === null) return;
    const { system: known, timeline: before } = this.#newest ?? { system, timeline: 0 };
    this.#isSeen = true;
    if (system === known && timeline <= before) return;
    this.#newest = { system, timeline };
    if (this.#file !== null) writeNewest(this.#file, this.#newest);
    for (const connection of this.#connections.values()) {
      if (connection.timeline !== null && connection.timeline < timeline) connection.destroy();
    }
  }

  add(connection: Connection): void {
    const { client } = connection;
    this.#connections.set(client, connection);
    client.once("end", () => this.#connections.delete(client));
  }
}

function readNewest(file: string): Newest | null {
  if (!existsSync(file)) return null;
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Newest;
  } catch {
    throw new ConfigError(`${file} is not readable; delete it, and start again`);
  }
}

/**
 * Replaces the file at once, so that several processes may write it. A full disk does not prevent a
 * failover: this process remembers the primary as well.
 */
function writeNewest(file: string, newest: Newest): void {
  const partial = `${file}.${process.pid}`;
  try {
    writeFileSync(partial, JSON.stringify(newest), { mode: 0o600 });
    renameSync(partial, file);
  } catch {
    rmSync(partial, { force: true });
  }
}
