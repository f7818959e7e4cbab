import { createHmac } from "node:crypto";
import { drizzle } from "drizzle-orm/node-postgres";
import pg from "pg";
import type { Logger } from "pino";
import { ConfigError } from "../config-values.js";
import { appendEvents, type Change, type Origin, type Tell } from "./audit.js";
import { listenForChanges, type ChangeFeed } from "./changes.js";
import { fairSlots } from "../fair-slots.js";
import { checkSecret, openVerificationKey } from "./installation.js";
import { lockConnections, locksOn, tryLockOn, type Locks, type TryLock } from "./locks.js";
import { migrate } from "./migrate.js";
import type { Queryable } from "./queryable.js";
import { beginFor, type OrganizationLock } from "./tenant.js";
import { inTransaction } from "./transaction.js";
import { systemChange } from "./system-change.js";

export { prepared, type Queryable } from "./queryable.js";

export interface Database {
  /**
   * A transaction of one organization: row-level security shows its rows and no others. As every
   * transaction here, it runs again after a deadlock: the work has no effects outside of it.
   */
  tenant<Result>(orgId: string, work: (tx: Queryable) => Promise<Result>): Promise<Result>;
  /** As `tenant`, for reading alone. */
  read<Result>(orgId: string, work: (tx: Queryable) => Promise<Result>): Promise<Result>;
  /**
   * As `tenant`, while nothing changes that writes are decided by: for a write that no other decision
   * depends on. Writes run beside each other.
   */
  write<Result>(orgId: string, work: (tx: Queryable) => Promise<Result>): Promise<Result>;
  /**
   * As `tenant`, for a change, one after another in an organization. What is told with `tell` is written
   * to the organization's audit log in the same transaction, just before it ends.
   */
  change<Result>(
    orgId: string,
    origin: Origin,
    work: (tx: Queryable, tell: Tell) => Promise<Result>,
  ): Promise<Result>;
  /** Work across organizations, such as a login; `reason` is what a search for it finds. */
  withSystem<Result>(reason: string, work: (db: Queryable) => Promise<Result>): Promise<Result>;
  /** As `withSystem`, in one transaction. */
  withSystemTx<Result>(reason: string, work: (tx: Queryable) => Promise<Result>): Promise<Result>;
  /** Hears of what any server process changes. */
  readonly changes: ChangeFeed;
  /** Holds locks that all server processes share. */
  readonly locks: Locks;
  /** As `locks`, for what can as well be done later. */
  readonly tryLock: TryLock;
  /** As `withSystemTx`, for a change: each event goes to the log of the organization it is told for. */
  systemChange<Result>(
    origin: Origin,
    work: (tx: Queryable, tell: (orgId: string, change: Change) => void) => Promise<Result>,
  ): Promise<Result>;
  /** The key under which API keys, links and recovery codes are kept as HMACs. */
  readonly verificationKey: string;
  /** Connections of all pools: in use and idle, and those who wait for one. */
  poolState(): { active: number; idle: number; waiting: number };
  /** The pool of `withSystem`, for prepared queries by name and for the job queue. */
  readonly systemPool: pg.Pool;
  close(): Promise<void>;
}

/** How to reach a PostgreSQL as the role that owns the database. */
export interface DatabaseAddress {
  owner: pg.ClientConfig;
  /** The unprivileged role to serve as; null makes `omoi_app`. */
  app: pg.ClientConfig | null;
  /** Whether the whole PostgreSQL is this installation's: then its roles follow its secret. */
  isOwn?: boolean;
}

const appRole = "omoi_app";
/** Connections of each pool. */
const POOL_SIZE = 10;
/** Connections that hold or wait for the lock of one organization; the rest serve other organizations. */
const LOCKED_PER_ORGANIZATION = 4;
/** How long a request waits for a connection. */
const CONNECT_TIMEOUT_MS = 30_000;

/**
 * Migrates as the owner, then connects as the role that owns nothing.
 * @param dumps the folder of dumps that are made before migrations; null: none are made
 * @throws ConfigError in one line when the database cannot be reached, is too old, or the role that
 *   would serve could bypass row-level security.
 */
export async function openDatabase(
  address: DatabaseAddress,
  secret: string,
  log: Logger,
  dumps: string | null = null,
): Promise<Database> {
  const owner = await connectOwner(address.owner);
  let serving: pg.ClientConfig;
  let verificationKey: string;
  try {
    await checkSecret(owner, secret);
    serving = address.app ?? (await ensureAppRole(owner, address, secret));
    await migrate(owner, String(serving.user), log, dumps);
    verificationKey = await openVerificationKey(owner, secret);
  } finally {
    await owner.end();
  }

  const pool = (options: string, max = POOL_SIZE): pg.Pool => {
    const made = new pg.Pool({
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      keepAlive: true,
      ...serving,
      options,
      max,
      idleTimeoutMillis: 60_000,
    });
    // A connection that breaks while idle is replaced by the pool; its error must not end the process.
    // While the pool ends, PostgreSQL may do so too: then there is nothing to tell.
    made.on("error", (error) => {
      if (!made.ending) log.warn({ err: error }, "an idle database connection broke");
    });
    // Nor must one that breaks in use, between two queries: the next one on it fails.
    made.on("connect", (client) => client.on("error", () => {}));
    return made;
  };
  const tenantPool = pool("-c timezone=UTC");
  // Prepared look-ups of many at once are planned once: a plan for just these ids is never better, and
  // PostgreSQL would make one each time, for it expects more ids than come.
  const systemPool = pool("-c timezone=UTC -c app.system=on -c plan_cache_mode=force_generic_plan");
  const lockPool = pool("-c timezone=UTC", lockConnections);
  await refusePrivileged(systemPool, String(serving.user));
  const systemDb = drizzle(systemPool) as Queryable;
  const changes = await listenForChanges(serving, systemPool, log);
  const slots = fairSlots({ slots: POOL_SIZE, perOwner: LOCKED_PER_ORGANIZATION });
  /** A transaction that takes the organization's lock; until it is its turn, it has no connection. */
  const whileLocked = async <Result>(
    orgId: string,
    lock: OrganizationLock,
    work: (tx: Queryable, client: pg.PoolClient) => Promise<Result>,
  ): Promise<Result> => {
    const begin = beginFor(orgId, lock);
    const free = await slots.take(orgId);
    try {
      return await inTransaction(tenantPool, begin, work);
    } finally {
      free();
    }
  };

  return {
    verificationKey,
    systemPool,
    poolState: () => {
      const pools = [tenantPool, systemPool, lockPool];
      const sum = (of: (pool: pg.Pool) => number): number =>
        pools.reduce((total, one) => total + of(one), 0);
      const idle = sum(({ idleCount }) => idleCount);
      const total = sum(({ totalCount }) => totalCount);
      return { active: total - idle, idle, waiting: sum(({ waitingCount }) => waitingCount) };
    },
    changes,
    locks: locksOn(lockPool),
    tryLock: tryLockOn(lockPool),
    tenant: (orgId, work) => inTransaction(tenantPool, beginFor(orgId, "none"), work),
    read: (orgId, work) => inTransaction(tenantPool, beginFor(orgId, "read only"), work),
    write: (orgId, work) => whileLocked(orgId, "shared", work),
    change: (orgId, origin, work) =>
      whileLocked(orgId, "exclusive", async (tx, client) => {
        const events: Change[] = [];
        const result = await work(tx, (event) => events.push(event));
        await appendEvents(client, orgId, origin, events);
        return result;
      }),
    withSystem: (_reason, work) => work(systemDb),
    withSystemTx: (_reason, work) => inTransaction(systemPool, "begin", work),
    systemChange: (origin, work) => systemChange(systemPool, origin, work),
    close: async () => {
      await changes.close();
      await Promise.all([tenantPool.end(), systemPool.end(), lockPool.end()]);
    },
  };
}

async function connectOwner(config: pg.ClientConfig): Promise<pg.Client> {
  const client = new pg.Client({
    connectionTimeoutMillis: 5000,
    ...config,
    options: "-c timezone=UTC -c app.system=on",
  });
  try {
    await client.connect();
  } catch (error) {
    throw new ConfigError(
      `The database does not answer (${reason(error)}); check OMOI_DATABASE_URL and that PostgreSQL runs`,
    );
  }
  const { rows } = await client.query<{ version: string }>(
    "select current_setting('server_version_num') as version",
  );
  const major = Math.floor(Number(rows[0]?.version) / 10_000);
  if (major < 15) {
    await client.end();
    throw new ConfigError(
      `The database is PostgreSQL ${major}; point OMOI_DATABASE_URL to version 15 or newer`,
    );
  }
  return client;
}

/** Makes the role that serves, if it is missing; its password follows from the secret. */
async function ensureAppRole(
  owner: pg.Client,
  { owner: address, isOwn = false }: DatabaseAddress,
  secret: string,
): Promise<pg.ClientConfig> {
  const password = createHmac("sha256", secret).update("postgresql role omoi_app").digest("hex");
  try {
    await owner.query(
      `create role ${appRole} login nosuperuser nobypassrls nocreatedb nocreaterole password '${password}'`,
    );
  } catch (error) {
    const code = (error as { code?: string }).code;
    if (code === "42501") {
      throw new ConfigError(
        "The role of OMOI_DATABASE_URL may not create roles; grant it CREATEROLE, or set OMOI_DATABASE_APP_URL to a second, unprivileged role",
      );
    }
    // 42710: it exists; 23505: two first starts at once
    if (code !== "42710" && code !== "23505") throw error;
    if (isOwn) await owner.query(`alter role ${appRole} password '${password}'`);
  }
  const serving: pg.ClientConfig = {
    host: owner.host,
    port: owner.port,
    database: String(owner.database),
    user: appRole,
    password,
    ...(address.ssl === undefined ? {} : { ssl: address.ssl }),
  };
  const probe = new pg.Client({ ...serving, connectionTimeoutMillis: 5000 });
  try {
    await probe.connect();
  } catch (error) {
    throw new ConfigError(
      `The database role ${appRole} cannot sign in (${reason(error)}); another installation made it with another secret: use its OMOI_SECRET, or set OMOI_DATABASE_APP_URL`,
    );
  }
  await probe.end();
  return serving;
}

/** Row-level security binds neither superusers nor BYPASSRLS roles: such a role must not serve. */
async function refusePrivileged(pool: pg.Pool, role: string): Promise<void> {
  let privileged: boolean;
  try {
    const { rows } = await pool.query<{ privileged: boolean }>(
      "select rolsuper or rolbypassrls as privileged from pg_roles where rolname = current_user",
    );
    privileged = rows[0]?.privileged ?? true;
  } catch (error) {
    await pool.end();
    throw new ConfigError(
      `The database does not answer as ${role} (${reason(error)}); check OMOI_DATABASE_APP_URL`,
    );
  }
  if (privileged) {
    await pool.end();
    throw new ConfigError(
      `The database role ${role} may bypass row-level security; set OMOI_DATABASE_APP_URL to a role without SUPERUSER and BYPASSRLS`,
    );
  }
}

function reason(error: unknown): string {
  const { message, code } = error as { message?: string; code?: string };
  return (message || code || String(error)).split("\n", 1)[0] ?? "";
}

/** The connection settings of a `postgres://` address. */
export function addressFromUrl(url: string): pg.ClientConfig {
  // pg resolves the address itself; the user is needed by name for grants.
  const parsed = new URL(url);
  return { connectionString: url, user: decodeURIComponent(parsed.username) };
}

/** The name of the constraint that a failed write broke, or null. */
export function brokenConstraint(error: unknown): string | null {
  for (let cause = error; cause instanceof Error; cause = cause.cause as Error) {
    const { code, constraint } = cause as { code?: string; constraint?: string };
    if ((code === "23505" || code === "23503" || code === "23514") && constraint) return constraint;
  }
  return null;
}
