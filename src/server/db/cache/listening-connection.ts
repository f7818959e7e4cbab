import { randomUUID } from "node:crypto";
import type pg from "pg";
import type { Logger } from "pino";
import { ConfigError } from "#shared/node/config-error.js";
import { DatabaseClient, type ServerConfig } from "../hosts/database-client.js";
import { LEASE_MS, type CacheLeases } from "./cache-leases.js";

const APPLICATION_NAME = "omoi changes";
/** Time between two proofs that this process hears changes. */
const RENEW_MS = 2000;
/** Time limit of a query on the connection, and of a proof. */
export const ANSWER_MS = 2000;
/** Time limit of the first proof, whose failure prevents the start. */
const FIRST_MS = 5000;
const RETRY_MS = 500;

const lost = "the connection that listens for changes is lost";
const silent = "PostgreSQL has not confirmed in time that this process hears of changes";
const unheard =
  "notifications of the serving role do not reach the connection that listens for changes, because a pooler in transaction mode or another server is at its address; set OMOI_DATABASE_DIRECT_URL to the address of PostgreSQL itself, with the role that owns the database";

/** A notification was sent and has not arrived. */
class UnheardError extends Error {
  override readonly name = "UnheardError";
}

interface ListeningOptions {
  /** An address where sessions last, as the serving role. */
  address: ServerConfig;
  leases: CacheLeases;
  log: Logger;
  channels: readonly string[];
  onNotification: (notification: pg.Notification) => void;
  /** Called when notifications may have been missed. */
  onGap: () => void;
}

/**
 * The connection on which this process hears of changes. A notification that goes the way of all changes proves every
 * two seconds that it does, and each proof gives the right to answer from caches for five seconds. A connection that
 * has not heard such a notification is replaced.
 */
export class ListeningConnection {
  readonly #options: ListeningOptions;
  readonly #proofs: string;
  #client: pg.Client | null = null;
  /** The last query on the connection, which runs one at a time. */
  #lastQuery: Promise<unknown> = Promise.resolve();
  /** Statements of each new connection. */
  readonly #kept: { text: string; values: string[] }[] = [];
  /** The end of the right to use caches. A suspended machine stops the monotonic clock. */
  #until = { monotonic: 0, wall: 0 };
  #obstacle = lost;
  /** The obstacle in the log; null after its end. */
  #reported: string | null = null;
  /** The connection of the proof in progress, and its notification. */
  #proving: pg.Client | null = null;
  #awaited: { token: string; arrived: () => void; abandon: () => void } | null = null;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: ListeningOptions) {
    this.#options = options;
    this.#proofs = `omoi_proof_${options.leases.processId.replaceAll("-", "")}`;
  }

  /** Whether this process may answer from its caches. */
  get mayCache(): boolean {
    return performance.now() < this.#until.monotonic && Date.now() < this.#until.wall;
  }

  /** The reason why it may not; null while it may. */
  get obstacle(): string | null {
    return this.mayCache ? null : this.#obstacle;
  }

  /** @throws ConfigError when notifications do not arrive; an error of the driver */
  async open(): Promise<void> {
    await this.#connect();
    try {
      await this.#prove(this.#client as pg.Client, FIRST_MS);
    } catch (error) {
      await this.close();
      throw error instanceof UnheardError
        ? new ConfigError(`Omoi hears no changes: ${unheard}`)
        : error;
    }
    this.#timer = setInterval(() => this.#check(), RENEW_MS).unref();
  }

  /** Runs a statement. Its failure replaces the connection, and is no error. */
  run(text: string, values: string[] = []): Promise<void> {
    const client = this.#client;
    if (!client) return Promise.resolve();
    return this.#enqueue(async () => {
      if (client !== this.#client) return;
      let isAnswered = false;
      const end = (): void => {
        if (!isAnswered) this.#disconnect(client, lost);
      };
      const late = afterInput(end, ANSWER_MS);
      await client.query(text, values).then(() => (isAnswered = true), end);
      clearTimeout(late);
    });
  }

  /** Runs a statement on this connection and on each that replaces it. */
  keep(text: string, values: string[]): void {
    this.#kept.push({ text, values });
    void this.run(text, values);
  }

  /** Resolves when the queries so far have ended. */
  idle(): Promise<unknown> {
    return this.#lastQuery;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    const client = this.#client;
    const hasLease = this.mayCache;
    this.#giveUp();
    if (hasLease) await this.#options.leases.withdraw().catch(() => {});
    await client?.end();
  }

  #enqueue(work: () => Promise<void>): Promise<void> {
    const done = this.#lastQuery.then(work);
    this.#lastQuery = done;
    return done;
  }

  /** Gives up the connection and the right to use caches. */
  #giveUp(): void {
    this.#client = null;
    this.#until = { monotonic: 0, wall: 0 };
    this.#lastQuery = Promise.resolve();
    this.#awaited?.abandon();
  }

  #disconnect(client: pg.Client, obstacle: string): void {
    if (client !== this.#client) return;
    const { leases, onGap } = this.#options;
    this.#giveUp();
    this.#obstacle = obstacle;
    onGap();
    // Revocations of other processes need not wait for this one.
    leases.withdraw().catch(() => {});
    // Not awaited: the peer may be gone.
    client.end().catch(() => {});
    this.#report();
    this.#retry();
  }

  #retry(): void {
    setTimeout(() => {
      if (this.#isClosed) return;
      this.#connect().then(
        () => this.#check(),
        () => this.#retry(),
      );
    }, RETRY_MS).unref();
  }

  async #connect(): Promise<void> {
    const { address, channels, onGap, onNotification } = this.#options;
    const client = new DatabaseClient({
      ...address,
      application_name: APPLICATION_NAME,
      keepAlive: true,
      connectionTimeoutMillis: ANSWER_MS,
    });
    client.on("error", () => this.#disconnect(client, lost));
    client.on("end", () => this.#disconnect(client, lost));
    client.on("notification", (notification) => {
      if (client !== this.#client) return;
      if (notification.channel !== this.#proofs) onNotification(notification);
      else if (notification.payload === this.#awaited?.token) this.#awaited?.arrived();
    });
    try {
      await client.connect();
      await client.query([...channels, this.#proofs].map((name) => `listen ${name}`).join("; "));
      for (const { text, values } of this.#kept) await client.query(text, values);
    } catch (error) {
      await client.end().catch(() => {});
      throw error;
    }
    if (this.#isClosed) return client.end();
    this.#client = client;
    // Values read while disconnected may be stale.
    onGap();
  }

  /** Proves again that this process hears changes. */
  #check(): void {
    const client = this.#client;
    if (!client || client === this.#proving) return;
    this.#proving = client;
    // Other queries wait: a pooler that shares its connections delivers nothing to a client that asks nothing.
    void this.#enqueue(async () => {
      try {
        await this.#prove(client, ANSWER_MS);
      } catch (error) {
        if (error instanceof UnheardError) this.#disconnect(client, unheard);
      }
      if (client !== this.#proving) return;
      this.#proving = null;
      this.#report();
    });
  }

  /** Logs that this process does not hear changes, and that it does again, once. */
  #report(): void {
    const { obstacle } = this;
    if (obstacle === this.#reported) return;
    this.#reported = obstacle;
    const { log } = this.#options;
    if (obstacle === null) log.info("hears changes again; serving with caches");
    else log.error({ reason: obstacle }, "hears no changes; serving without caches, and not ready");
  }

  /** @throws UnheardError; an error of the database */
  async #prove(client: pg.Client, limitMs: number): Promise<void> {
    const { leases } = this.#options;
    const expect = (send: (channel: string, token: string) => Promise<void>): Promise<void> =>
      this.#expect(client, limitMs, send);
    // A process that hears nothing must not write a lease, for which revocations would wait.
    if (!this.mayCache) await expect((channel, token) => leases.probe(channel, token));
    const asked = { monotonic: performance.now(), wall: Date.now() };
    await expect((channel, token) => leases.renew(channel, token));
    if (client !== this.#client) return;
    this.#until = { monotonic: asked.monotonic + LEASE_MS, wall: asked.wall + LEASE_MS };
    this.#obstacle = silent;
  }

  /** Sends a notification and waits for its arrival. */
  async #expect(
    client: pg.Client,
    limitMs: number,
    send: (channel: string, token: string) => Promise<void>,
  ): Promise<void> {
    if (client !== this.#client) throw new Error(lost);
    const token = randomUUID();
    let isSent = false;
    let late: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        const fail = (): void => reject(isSent ? new UnheardError() : new Error(silent));
        late = afterInput(fail, limitMs);
        this.#awaited = { token, arrived: resolve, abandon: () => reject(new Error(lost)) };
        send(this.#proofs, token).then(() => (isSent = true), reject);
      });
    } finally {
      clearTimeout(late);
      this.#awaited = null;
    }
  }
}

/** A timer of a busy process: what has arrived by then is read first. */
function afterInput(work: () => void, ms: number): NodeJS.Timeout {
  return setTimeout(() => setImmediate(work), ms);
}
