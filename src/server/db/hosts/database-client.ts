import { callbackify } from "node:util";
import pg from "pg";
import { destroy, stateOf, type DatabaseHosts } from "./database-hosts.js";

/** A driver's configuration whose server is chosen among several at each connection. */
export interface ServerConfig extends pg.ClientConfig {
  hosts?: DatabaseHosts | undefined;
}

/** SQLSTATE of a write in a read-only transaction. */
const READ_ONLY = "25006";

/** Parts of the driver's client that its types omit. */
interface Internals {
  host: string;
  port: number;
  _ending: boolean;
  _connectionTimeoutMillis: number;
}

/**
 * The connection of every query of the product. It leads to the listed server that accepts writes, and
 * breaks when its server stops accepting them or is replaced by a promoted one.
 */
export class DatabaseClient extends pg.Client {
  readonly #config: ServerConfig;
  readonly #hosts: DatabaseHosts | null;

  constructor(config: ServerConfig = {}) {
    super(config);
    this.#config = config;
    this.#hosts = config.hosts ?? null;
    const { connection } = this as unknown as {
      connection: { on(event: "errorMessage", listener: (error: { code?: string }) => void): void };
    };
    connection.on("errorMessage", ({ code }) => {
      // A demoted server refuses each write: the pool must not hand out this connection again.
      if (code === READ_ONLY) setImmediate(() => destroy(this));
    });
  }

  override connect(): Promise<this>;
  override connect(callback: (error: Error) => void): void;
  override connect(callback?: (error: Error) => void): Promise<this> | void {
    const hosts = this.#hosts;
    if (hosts === null) return super.connect(callback as never);
    if (callback === undefined) return this.#connectToPrimary(hosts);
    callbackify(() => this.#connectToPrimary(hosts))(callback);
  }

  async #connectToPrimary(hosts: DatabaseHosts): Promise<this> {
    const primary = await hosts.primary(this.#config);
    const internals = this as unknown as Internals;
    Object.assign(internals, primary);
    internals._connectionTimeoutMillis = hosts.timeoutMs;
    // A connection that breaks before the caller listens for errors must not end the process.
    this.on("error", () => {});
    this.once("end", () => {
      if (!internals._ending) hosts.forget();
    });
    try {
      await super.connect();
      const state = await stateOf(this, hosts.timeoutMs);
      hosts.verify(primary, state);
      const { timeline } = state;
      hosts.history.add({ client: this, timeline, destroy: () => destroy(this) });
      return this;
    } catch (error) {
      hosts.forget();
      destroy(this);
      throw error;
    }
  }
}

/** A pool of such connections. */
export class DatabasePool extends pg.Pool {
  constructor(config: pg.PoolConfig & ServerConfig) {
    super({ Client: DatabaseClient, ...config });
  }
}
