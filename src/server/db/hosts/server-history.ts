import type pg from "pg";

/** What a connection reports about its server. */
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

/**
 * The promotions that this process has seen, shared by all addresses of one database. It refuses a
 * primary that another one has replaced, and breaks the connections to it.
 */
export class ServerHistory {
  readonly #connections = new Map<pg.Client, Connection>();
  #system: string | null = null;
  #timeline: number | null = null;

  /** The highest timeline of a primary, or null. */
  get timeline(): number | null {
    return this.#timeline;
  }

  /** Returns why a server is not the primary, or null. */
  refusalOf({ refusal, system, timeline }: ServerState): string | null {
    if (refusal !== null) return refusal;
    if (system === null || timeline === null || this.#timeline === null) return null;
    if (this.#system !== null && system !== this.#system) {
      return "is another database cluster, not a standby of the same primary";
    }
    return timeline < this.#timeline
      ? `is a replaced primary: its timeline is ${timeline}, and ${this.#timeline} exists`
      : null;
  }

  /** Records the primary. A newer one breaks all connections to earlier ones. */
  accept({ system, timeline }: ServerState): void {
    if (timeline === null || timeline <= (this.#timeline ?? 0)) return;
    this.#system = system;
    this.#timeline = timeline;
    for (const connection of [...this.#connections.values()]) {
      if (connection.timeline !== null && connection.timeline < timeline) connection.destroy();
    }
  }

  add(connection: Connection): void {
    const { client } = connection;
    this.#connections.set(client, connection);
    client.once("end", () => this.#connections.delete(client));
  }
}
