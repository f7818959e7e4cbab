import { drizzle } from "drizzle-orm/node-postgres";
import pg from "pg";
import type { Logger } from "pino";
import { ConfigError } from "#shared/node/config-error.js";
import type { DatabaseAddress, ServingAddress } from "./address.js";
import { appendEvents, type Change, type Origin, type AuditWriter } from "../audit/audit.js";
import { listenForChanges, type ChangeFeed } from "../cache/changes.js";
import { fairSlots } from "#shared/node/fair-slots.js";
import { checkSecret, openVerificationKey } from "../installation.js";
import { lockConnections, locksOn, tryLockOn, type Locks, type TryLock } from "../locks/locks.js";
import { migrate } from "../migrate.js";
import type { Queryable } from "./queryable.js";
import { checkServing, connectServing, ensureServingRole } from "./serving-role.js";
import { beginSystem, type PoolSettings, SystemPool, tenantPoolOf } from "./system-pool.js";
import { beginFor, type OrganizationLock } from "./tenant.js";
import { inTransaction, type ReadFirst } from "./transaction.js";
import { systemChange } from "./system-change.js";
import { connectOrExplain, requireSessions } from "./try-connection.js";

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
   * depends on. Writes run beside each other. `readFirst` reads for `work` as soon as the lock is held.
   */
  write<Result, First = undefined>(
    orgId: string,
    work: (tx: Queryable, first: First) => Promise<Result>,
    readFirst?: ReadFirst<First>,
  ): Promise<Result>;
  /**
   * As `tenant`, for a change, one after another in an organization. What is told with `audit` is written
   * to the organization's audit log in the same transaction, just before it ends. `readFirst` reads for
   * `work` as soon as the lock is held.
   */
  change<Result, First = undefined>(
    orgId: string,
    origin: Origin,
    work: (tx: Queryable, audit: AuditWriter, first: First) => Promise<Result>,
    readFirst?: ReadFirst<First>,
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
    work: (tx: Queryable, audit: (orgId: string, change: Change) => void) => Promise<Result>,
  ): Promise<Result>;
  /** The key under which API keys, links and recovery codes are kept as HMACs. */
  readonly verificationKey: string;
  /** Connections of all pools: in use and idle, and those who wait for one. */
  poolState(): { active: number; idle: number; waiting: number };
  /** The pool of `withSystem`, for prepared queries by name. */
  readonly systemPool: pg.Pool;
  /** A pool that sees no organization's rows, for the tables of the job queue. */
  readonly jobPool: pg.Pool;
  close(): Promise<void>;
}

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
  const variable = address.pooler ? "OMOI_DATABASE_DIRECT_URL" : "OMOI_DATABASE_URL";
  const owner = await connectOwner(address.owner, variable);
  let serving: ServingAddress;
  let keepsPrepared: boolean;
  let verificationKey: string;
  try {
    await checkSecret(owner, secret);
    serving = await ensureServingRole(owner, address, secret);
    const probe = await connectServing(serving, address);
    try {
      await migrate(owner, String(probe.user), log, dumps);
      verificationKey = await openVerificationKey(owner, secret);
      const { app } = address;
      const served = app === null ? "OMOI_DATABASE_URL" : "OMOI_DATABASE_APP_URL";
      keepsPrepared = await checkServing(owner, probe, served);
    } finally {
      await probe.end();
    }
  } finally {
    await owner.end();
  }
  if (!keepsPrepared) {
    log.warn(
      "the pooler does not keep prepared statements, so every query is planned anew; set max_prepared_statements in PgBouncer 1.21 or newer",
    );
  }

  const settings = (config: pg.ClientConfig, max = POOL_SIZE): PoolSettings => ({
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    ...config,
    max,
    idleTimeoutMillis: 60_000,
    keepsPrepared,
  });
  const tenantPool = watched(tenantPoolOf(settings(serving.transactions)), log);
  const systemPool = watched(new SystemPool(settings(serving.transactions)), log);
  const lockPool = watched(new pg.Pool(settings(serving.sessions, lockConnections)), log);
  const systemDb = drizzle(systemPool) as Queryable;
  const changes = await listenForChanges(serving.sessions, systemPool, log);
  const slots = fairSlots({ slots: POOL_SIZE, perOwner: LOCKED_PER_ORGANIZATION });
  /** A transaction that takes the organization's lock; until it is its turn, it has no connection. */
  const whileLocked = async <Result, First>(
    orgId: string,
    lock: OrganizationLock,
    work: (tx: Queryable, client: pg.PoolClient, first: First) => Promise<Result>,
    readFirst: ReadFirst<First> | undefined,
  ): Promise<Result> => {
    const begin = beginFor(orgId, lock);
    const free = await slots.take(orgId);
    try {
      return await inTransaction(tenantPool, begin, work, readFirst);
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
    jobPool: tenantPool,
    changes,
    locks: locksOn(lockPool),
    tryLock: tryLockOn(lockPool),
    tenant: (orgId, work) => inTransaction(tenantPool, beginFor(orgId, "none"), work),
    read: (orgId, work) => inTransaction(tenantPool, beginFor(orgId, "read only"), work),
    write: (orgId, work, readFirst) =>
      whileLocked(orgId, "shared", (tx, _client, first) => work(tx, first), readFirst),
    change: (orgId, origin, work, readFirst) =>
      whileLocked(
        orgId,
        "exclusive",
        async (tx, client, first) => {
          const events: Change[] = [];
          const result = await work(tx, (event) => events.push(event), first);
          await appendEvents(client, orgId, origin, events);
          return result;
        },
        readFirst,
      ),
    withSystem: (_reason, work) => work(systemDb),
    withSystemTx: (_reason, work) => inTransaction(systemPool, beginSystem, work),
    systemChange: (origin, work) => systemChange(systemPool, origin, work),
    close: async () => {
      await changes.close();
      await Promise.all([tenantPool.end(), systemPool.end(), lockPool.end()]);
    },
  };
}

/** Bears with connections that break. */
function watched<Pool extends pg.Pool>(pool: Pool, log: Logger): Pool {
  // A connection that breaks while idle is replaced by the pool; its error must not end the process.
  // While the pool ends, PostgreSQL may do so too: then there is nothing to tell.
  pool.on("error", (error) => {
    if (!pool.ending) log.warn({ err: error }, "an idle database connection broke");
  });
  // Nor must one that breaks in use, between two queries: the next one on it fails.
  pool.on("connect", (client) => client.on("error", () => {}));
  return pool;
}

/** Connects as the owner. @throws ConfigError where this PostgreSQL or this role cannot be used */
async function connectOwner(config: pg.ClientConfig, variable: string): Promise<pg.Client> {
  const owner = await connectOrExplain(config, variable);
  try {
    const { rows } = await owner.query<{ version: string; isStandby: boolean; mayCreate: boolean }>(
      `select current_setting('server_version_num') as version,
         pg_is_in_recovery() as "isStandby",
         has_database_privilege(current_database(), 'create')
           and has_schema_privilege('public', 'create') as "mayCreate"`,
    );
    const major = Math.floor(Number(rows[0]?.version) / 10_000);
    if (major < 15) {
      throw new ConfigError(
        `The database is PostgreSQL ${major}; point ${variable} to version 15 or newer`,
      );
    }
    if (rows[0]?.isStandby) {
      throw new ConfigError(
        `The database is a standby, which takes no writes; point ${variable} to the primary`,
      );
    }
    await requireSessions(owner, config);
    if (!rows[0]?.mayCreate) {
      throw new ConfigError(
        `The role ${owner.user} may not create tables; make it the owner: alter database ${owner.database} owner to ${owner.user}`,
      );
    }
    await owner.query("set timezone to 'UTC'; set app.system to 'on'");
    return owner;
  } catch (error) {
    await owner.end();
    throw error;
  }
}

/** The name of the constraint that a failed write broke, or null. */
export function brokenConstraint(error: unknown): string | null {
  for (let cause = error; cause instanceof Error; cause = cause.cause as Error) {
    const { code, constraint } = cause as { code?: string; constraint?: string };
    if ((code === "23505" || code === "23503" || code === "23514") && constraint) return constraint;
  }
  return null;
}
