import { drizzle } from "drizzle-orm/node-postgres";
import type pg from "pg";
import type { Logger } from "pino";
import { ConfigError } from "#shared/node/config-error.js";
import type { DatabaseAddress, ServingAddress } from "./address.js";
import { appendEvents, type Change, type Origin, type AuditWriter } from "../audit/audit.js";
import { listenForChanges, type ChangeFeed } from "../cache/changes.js";
import { DatabasePool, type ServerConfig } from "../hosts/database-client.js";
import { fairSlots } from "#shared/node/fair-slots.js";
import { checkSecret, openVerificationKey } from "../installation.js";
import {
  lockConnections,
  createLocks,
  createTryLock,
  type LockError,
  type Locks,
  type TryLock,
} from "../locks/locks.js";
import { migrate } from "../migrate.js";
import type { Queryable } from "./queryable.js";
import { checkServing, connectServing, ensureServingRole } from "./serving-role.js";
import { beginSystem, type PoolSettings, SystemPool, tenantPoolOf } from "./system-pool.js";
import { beginTenant, type NodeEpoch, type OrganizationLock } from "./tenant.js";
import {
  inReadTransaction,
  inTransaction,
  type ReadFirst,
  type TransactionWork,
} from "./transaction.js";
import { systemChange } from "./system-change.js";
import { connectOrExplain, requireSessions } from "./try-connection.js";

export { prepared, reusable, statementOf, type Queryable } from "./queryable.js";

export interface Database {
  /**
   * Runs a transaction of one organization; row-level security hides all other rows. Like every
   * transaction here it is retried after a deadlock, so the work must have no other effects.
   */
  tenant<Result>(orgId: string, work: (tx: Queryable) => Promise<Result>): Promise<Result>;
  /** Like `tenant`, read-only. */
  read<Result>(orgId: string, work: (tx: Queryable) => Promise<Result>): Promise<Result>;
  /**
   * Like `tenant`, under the organization's shared lock: for writes that no other decision depends on.
   * They run concurrently. `readFirst` starts its read as soon as the lock is held.
   */
  write<Result, First = undefined>(
    orgId: string,
    work: (tx: Queryable, first: First, last: pg.QueryConfig[]) => Promise<Result>,
    readFirst?: ReadFirst<First>,
  ): Promise<Result>;
  /**
   * Like `tenant`, under the organization's exclusive lock, so changes are serialized. Events passed to
   * `audit` are written to the organization's audit log in the same transaction. `readFirst` starts its
   * read as soon as the lock is held.
   */
  change<Result, First = undefined>(
    orgId: string,
    origin: Origin,
    work: (tx: Queryable, audit: AuditWriter, first: First) => Promise<Result>,
    readFirst?: ReadFirst<First>,
  ): Promise<Result>;
  /**
   * Runs queries across organizations, such as a login. `reason` makes each use searchable in the
   * source.
   */
  withSystem<Result>(reason: string, work: (db: Queryable) => Promise<Result>): Promise<Result>;
  /** Like `withSystem`, in one transaction. */
  withSystemTx<Result>(reason: string, work: (tx: Queryable) => Promise<Result>): Promise<Result>;
  /** The changes made by any server process. */
  readonly changes: ChangeFeed;
  /** Locks shared by all server processes. */
  readonly locks: Locks;
  /** Like `locks`, for work that can be skipped. */
  readonly tryLock: TryLock;
  /** Waits until the present holders of locks and those who wait for them have ended their work. */
  passLocks(orgId: string, keys: readonly string[]): Promise<void>;
  /** Like `withSystemTx`, for a change; each event goes to its organization's audit log. */
  systemChange<Result>(
    origin: Origin,
    work: (tx: Queryable, audit: (orgId: string, change: Change) => void) => Promise<Result>,
  ): Promise<Result>;
  /**
   * Makes this the database of a node. Transactions of organizations that may write fail once it is in another
   * epoch.
   * @param mayWork rejects while the node may not work under these locks
   */
  serveAs(node: NodeEpoch, mayWork: MayWork): void;
  /** The node of `serveAs`. @throws before it */
  readonly node: NodeEpoch;
  /** Whether a `systemChange` of the same origin, the context of a call, was committed. */
  hasChanged(origin: Origin): boolean;
  /** The HMAC key for API keys, email links and recovery codes. */
  readonly verificationKey: string;
  /** Connections of all pools: in use, idle, and callers waiting for one. */
  poolState(): { active: number; idle: number; waiting: number };
  /** The pool behind `withSystem`, for named prepared statements. */
  readonly systemPool: pg.Pool;
  /** One connection across organizations for the renewal of the node's lease, which no request delays. */
  readonly leasePool: pg.Pool;
  /** A pool that sees no organization's rows, for the job queue's tables. */
  readonly jobPool: pg.Pool;
  close(): Promise<void>;
}

/** @throws AppError 503 `home_unavailable` */
export type MayWork = (keys: readonly string[]) => Promise<void> | void;

/** Connections per pool. */
const POOL_SIZE = 10;
/** Connections that may hold or wait for one organization's lock; the rest serve other organizations. */
const LOCKED_PER_ORGANIZATION = 4;
/** Maximum wait of a request for a connection. */
const CONNECT_TIMEOUT_MS = 30_000;

interface DatabaseOptions {
  /** Folder for dumps made before migrations; null disables them. */
  dumps?: string | null;
  /** The id of this server's node; other nodes must have stopped before a migration. */
  nodeId?: string | null;
  /** Makes the error of a caller that gets no lock. */
  lockBusy?: LockError;
}

/**
 * Migrates as the owner, then connects as the unprivileged serving role.
 * @throws ConfigError when the database cannot be reached, is too old, or the serving role could bypass
 * row-level security
 */
export async function openDatabase(
  address: DatabaseAddress,
  secret: string,
  log: Logger,
  { dumps = null, nodeId = null, lockBusy }: DatabaseOptions = {},
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
      await migrate(owner, String(probe.user), log, dumps, nodeId);
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
      "the pooler does not support prepared statements, so every query is planned again; set max_prepared_statements in PgBouncer 1.21 or newer",
    );
  }

  const settings = (config: ServerConfig, max = POOL_SIZE): PoolSettings => ({
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    ...config,
    max,
    idleTimeoutMillis: 60_000,
    keepsPrepared,
  });
  const tenantPool = withErrorHandlers(tenantPoolOf(settings(serving.transactions)), log);
  const systemPool = withErrorHandlers(new SystemPool(settings(serving.transactions)), log);
  const leasePool = withErrorHandlers(new SystemPool(settings(serving.transactions, 1)), log);
  const lockPool = withErrorHandlers(
    new DatabasePool(settings(serving.sessions, lockConnections)),
    log,
  );
  const systemDb = drizzle(systemPool) as Queryable;
  const stopWatching = serving.sessions.hosts?.watch(serving.sessions, (host, failure) => {
    log.warn({ host, failure }, "a database server could not replace the primary");
  });
  const changes = await listenForChanges(serving.sessions, systemPool, log);
  const changed = new WeakSet<Origin>();
  let node: NodeEpoch | null = null;
  let mayWork: MayWork = () => {};
  const locks = createLocks(lockPool, lockBusy);
  const tryLock = createTryLock(lockPool);
  const slots = fairSlots({ slots: POOL_SIZE, perOwner: LOCKED_PER_ORGANIZATION });
  /**
   * Runs a transaction under the organization's lock. It holds no connection while it waits in the
   * queue.
   */
  const whileLocked = async <Result, First>(
    orgId: string,
    lock: OrganizationLock,
    work: TransactionWork<Result, First>,
    readFirst: ReadFirst<First> | undefined,
  ): Promise<Result> => {
    const begin = beginTenant(orgId, lock, node);
    const free = await slots.take(orgId);
    try {
      return await inTransaction(tenantPool, begin, work, readFirst);
    } finally {
      free();
    }
  };

  return {
    serveAs: (served, check) => {
      node = served;
      mayWork = check;
      changes.joinNode(served.id);
    },
    get node() {
      if (node === null) throw new Error("the database serves no node yet");
      return node;
    },
    verificationKey,
    systemPool,
    poolState: () => {
      const pools = [tenantPool, systemPool, lockPool];
      const sum = (of: (pool: pg.Pool) => number): number =>
        pools.reduce((total, pool) => total + of(pool), 0);
      const idle = sum(({ idleCount }) => idleCount);
      const total = sum(({ totalCount }) => totalCount);
      return { active: total - idle, idle, waiting: sum(({ waitingCount }) => waitingCount) };
    },
    leasePool,
    jobPool: tenantPool,
    changes,
    locks: (orgId, keys, work) =>
      locks(orgId, keys, async (tryMore) => {
        await mayWork(keys);
        return work(tryMore);
      }),
    tryLock: (key, work) =>
      tryLock(key, async () => {
        await mayWork([key]);
        return work();
      }),
    passLocks: (orgId, keys) => locks(orgId, keys, async () => {}),
    tenant: (orgId, work) => inTransaction(tenantPool, beginTenant(orgId, "none", node), work),
    read: (orgId, work) =>
      inReadTransaction(tenantPool, beginTenant(orgId, "read only", null), work),
    write: (orgId, work, readFirst) =>
      whileLocked(orgId, "shared", (tx, _client, first, last) => work(tx, first, last), readFirst),
    change: (orgId, origin, work, readFirst) =>
      whileLocked(
        orgId,
        "exclusive",
        async (tx, client, first, last) => {
          const events: Change[] = [];
          const result = await work(tx, (event) => events.push(event), first);
          await appendEvents(client, orgId, origin, events, last);
          return result;
        },
        readFirst,
      ),
    withSystem: (_reason, work) => work(systemDb),
    withSystemTx: (_reason, work) => inTransaction(systemPool, beginSystem, work),
    systemChange: async (origin, work) => {
      const result = await systemChange(systemPool, origin, work);
      changed.add(origin);
      return result;
    },
    hasChanged: (origin) => changed.has(origin),
    close: async () => {
      stopWatching?.();
      await changes.close();
      await Promise.all([tenantPool.end(), systemPool.end(), lockPool.end(), leasePool.end()]);
    },
  };
}

/** Handles connection errors, which would otherwise end the process. */
function withErrorHandlers<Pool extends pg.Pool>(pool: Pool, log: Logger): Pool {
  // The pool replaces a connection that breaks while idle. While the pool is ending, PostgreSQL may
  // shut down too, which is not worth a warning.
  pool.on("error", (error) => {
    if (!pool.ending) log.warn({ err: error }, "lost an idle database connection");
  });
  // When a connection breaks between two queries, the next query fails.
  pool.on("connect", (client) => client.on("error", () => {}));
  return pool;
}

/**
 * Connects as the owner.
 * @throws ConfigError when this PostgreSQL or this role cannot be used
 */
async function connectOwner(config: ServerConfig, variable: string): Promise<pg.Client> {
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
        `The database is a read-only standby; point ${variable} to the primary`,
      );
    }
    await requireSessions(owner, config);
    if (!rows[0]?.mayCreate) {
      throw new ConfigError(
        `The role ${owner.user} cannot create tables; make it the owner: alter database ${owner.database} owner to ${owner.user}`,
      );
    }
    await owner.query("set timezone to 'UTC'; set app.system to 'on'");
    return owner;
  } catch (error) {
    await owner.end();
    throw error;
  }
}

/** Returns the name of the constraint a failed write violated, or null. */
export function violatedConstraint(error: unknown): string | null {
  for (let cause = error; cause instanceof Error; cause = cause.cause as Error) {
    const { code, constraint } = cause as { code?: string; constraint?: string };
    if ((code === "23505" || code === "23503" || code === "23514") && constraint) return constraint;
  }
  return null;
}
