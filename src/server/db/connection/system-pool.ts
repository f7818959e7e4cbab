import pg from "pg";
import { DatabaseClient, DatabasePool, type ServerConfig } from "../hosts/database-client.js";
import { CommitUnknownError, isConnectionLost } from "./failures.js";

/*
 * Settings apply to one transaction, never to a connection: a transaction pooler may assign another
 * connection to each transaction. A single statement is its own transaction, so its settings travel
 * with it.
 */

/** Sets the time zone, which PostgreSQL uses when it formats timestamps. */
const LOCAL_ZONE = "set_config('TimeZone', 'UTC', true)";

/** The settings of a transaction of one organization. */
export const tenantScope = (orgId: string): string =>
  `select set_config('app.org_id', '${orgId}', true), ${LOCAL_ZONE}`;

/**
 * The settings of a transaction across organizations. Generic plans are forced for batched look-ups: a
 * custom plan is never better, and PostgreSQL would plan each time because it overestimates the number
 * of ids.
 */
export const systemScope = `select set_config('app.system', 'on', true), ${LOCAL_ZONE},
  set_config('plan_cache_mode', 'force_generic_plan', true)`;

/** Begins a transaction across organizations in one round trip. */
export const beginSystem = `begin; ${systemScope}`;

/** Parts of the driver's connection and query that its types omit. */
interface Wire {
  stream: { cork(): void; uncork(): void; destroy(): void };
  parse(message: { text: string; name: string }): void;
  bind(message: { portal: string; statement: string; values: unknown[] }): void;
  execute(message: { portal: string; rows: number }): void;
}
interface WireQuery {
  readonly name?: string | undefined;
  readonly text?: string | undefined;
  readonly values?: unknown[] | undefined;
  callback?: unknown;
  submit(connection: Wire): Error | null;
  handleRowDescription(message: unknown): void;
  handleDataRow(message: unknown): void;
  handleCommandComplete(message: unknown, connection: Wire): void;
  handlePortalSuspended(connection: Wire): void;
  handleEmptyQuery(connection: Wire): void;
  handleCopyInResponse(connection: Wire): void;
  handleError(error: Error, connection: Wire): void;
  handleReadyForQuery(connection: Wire): void;
}

/**
 * One statement with the settings of `systemScope`. Both are sent before a single Sync, which makes
 * them one transaction and one round trip (PostgreSQL, "Extended Query", "Pipelining").
 */
class SystemStatement implements WireQuery {
  readonly #query: WireQuery;
  /** Whether the settings were acknowledged; later messages belong to the statement. */
  #isScoped = false;

  constructor(query: pg.QueryConfig) {
    const extended = { ...query, queryMode: "extended" };
    this.#query = new pg.Query(extended) as unknown as WireQuery;
  }
  /** The driver records the statement as prepared under this name when a Parse completes. */
  get name(): string | undefined {
    return this.#isScoped ? this.#query.name : undefined;
  }
  get text(): string | undefined {
    return this.#query.text;
  }
  get values(): unknown[] | undefined {
    return this.#query.values;
  }
  get callback(): unknown {
    return this.#query.callback;
  }
  set callback(callback: unknown) {
    this.#query.callback = callback;
  }
  submit(connection: Wire): Error | null {
    connection.stream.cork();
    try {
      connection.parse({ text: systemScope, name: "" });
      connection.bind({ portal: "", statement: "", values: [] });
      connection.execute({ portal: "", rows: 0 });
      const failure = this.#query.submit(connection);
      // The settings were sent without the Sync that ends them.
      if (failure) connection.stream.destroy();
      return failure;
    } finally {
      connection.stream.uncork();
    }
  }
  handleRowDescription(message: unknown): void {
    this.#query.handleRowDescription(message);
  }
  handleDataRow(message: unknown): void {
    if (this.#isScoped) this.#query.handleDataRow(message);
  }
  handleCommandComplete(message: unknown, connection: Wire): void {
    if (this.#isScoped) this.#query.handleCommandComplete(message, connection);
    this.#isScoped = true;
  }
  handlePortalSuspended(connection: Wire): void {
    this.#query.handlePortalSuspended(connection);
  }
  handleEmptyQuery(connection: Wire): void {
    this.#query.handleEmptyQuery(connection);
  }
  handleCopyInResponse(connection: Wire): void {
    this.#query.handleCopyInResponse(connection);
  }
  handleError(error: Error, connection: Wire): void {
    this.#query.handleError(error, connection);
  }
  handleReadyForQuery(connection: Wire): void {
    this.#query.handleReadyForQuery(connection);
  }
}

/** Pool configuration with its handling of named statements. */
export interface PoolSettings extends pg.PoolConfig, ServerConfig {
  /**
   * Whether prepared statements survive into later transactions. A pooler that forwards names without
   * tracking them mixes up its clients' statements.
   */
  keepsPrepared: boolean;
}

/**
 * A pool whose statements run across organizations. A client from `connect` has no settings: its
 * transactions must start with `beginSystem`.
 */
export class SystemPool extends DatabasePool {
  readonly #keepsPrepared: boolean;

  constructor({ keepsPrepared, ...config }: PoolSettings) {
    super({ ...config, ...(keepsPrepared ? {} : { Client: NamelessClient }) });
    this.#keepsPrepared = keepsPrepared;
  }

  override query(input: unknown, values?: unknown, callback?: unknown): never {
    const query = {
      ...(typeof input === "string" ? { text: input } : (input as pg.QueryConfig)),
      ...(Array.isArray(values) ? { values } : {}),
    };
    const statement = new SystemStatement(this.#keepsPrepared ? query : withoutName(query));
    const last = typeof values === "function" ? values : callback;
    if (typeof last === "function") {
      return super.query(statement as never, undefined as never, last as never) as never;
    }
    const answer = super.query(statement as never) as unknown as Promise<unknown>;
    // A statement commits by itself.
    return answer.catch((error: unknown) => {
      const mayWrite = !/^\s*select\b/i.test(query.text);
      throw mayWrite && isConnectionLost(error) ? new CommitUnknownError(error) : error;
    }) as never;
  }
}

/** Creates the pool for transactions of one organization. Its clients pipeline statements. */
export function tenantPoolOf({ keepsPrepared, ...config }: PoolSettings): pg.Pool {
  const client = keepsPrepared ? {} : { Client: NamelessClient };
  return new DatabasePool({ ...config, ...client, pipeline: true });
}

/** A client that prepares no statement by name. */
class NamelessClient extends DatabaseClient {
  override query(input: unknown, values?: unknown, callback?: unknown): never {
    const isStatement = typeof input === "object" && input !== null && "submit" in input;
    const query =
      typeof input === "string" || isStatement ? input : withoutName(input as pg.QueryConfig);
    return super.query(query as never, values as never, callback as never) as never;
  }
}

function withoutName({ name: _name, ...query }: pg.QueryConfig): pg.QueryConfig {
  return query;
}
