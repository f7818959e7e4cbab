import { drizzle } from "drizzle-orm/node-postgres";
import type pg from "pg";
import type { Logger } from "pino";
import type { DatabaseAddress } from "./address.js";
import { appendEvents, type Change, type Origin, type AuditWriter } from "../audit/audit.js";
import { listenForChanges, type ChangeFeed } from "../cache/changes.js";
import { fairSlots } from "#shared/node/fair-slots.js";
import { cachedMaintenance, type Maintenance } from "../maintenance.js";
import {
  createLocks,
  createTryLock,
  type LockError,
  type Locks,
  type TryLock,
} from "../locks/locks.js";
import { openPools, POOL_SIZE } from "./pools.js";
import { lockAndCompare, readInComparison, recordChange } from "../precondition.js";
import { prepareDatabase } from "./prepare-database.js";
import type { Queryable } from "../queryable.js";
import { beginSystem } from "./system-pool.js";
import { beginTenant, type NodeEpoch, type OrganizationLock } from "./tenant.js";
import {
  inReadTransaction,
  inTransaction,
  type ReadFirst,
  type TransactionWork,
} from "./transaction.js";
import { systemChange } from "./system-change.js";

export { prepared, reusable, statementOf, type Queryable } from "../queryable.js";

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
  /** Returns the maintenance of the installation, from a cache; null outside of one. */
  maintenance(): Promise<Maintenance | null>;
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

/** Connections that may hold or wait for one organization's lock; the rest serve other organizations. */
const LOCKED_PER_ORGANIZATION = 4;
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
  const prepared = await prepareDatabase(address, secret, log, dumps, nodeId);
  const { serving, verificationKey } = prepared;
  const pools = openPools(serving, prepared.keepsPrepared, log);
  const { tenantPool, systemPool, leasePool, lockPool, proofPool } = pools;
  const systemDb = drizzle(systemPool) as Queryable;
  const stopWatching = serving.sessions.hosts?.watch(serving.sessions, (host, failure) => {
    log.warn({ host, failure }, "a database server could not replace the primary");
  });
  const changes = await listenForChanges(
    serving.sessions,
    { requests: systemPool, proofs: proofPool },
    log,
  );
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
    poolState: pools.state,
    leasePool,
    jobPool: tenantPool,
    changes,
    maintenance: cachedMaintenance(changes, systemDb),
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
    tenant: (orgId, work) =>
      readInComparison(orgId, work) ??
      inTransaction(tenantPool, beginTenant(orgId, "none", node), work),
    read: (orgId, work) =>
      readInComparison(orgId, work) ??
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
    withSystem: (_reason, work) => readInComparison(null, work) ?? work(systemDb),
    withSystemTx: async (_reason, work) => {
      const reading = readInComparison(null, work);
      if (reading) return reading;
      const result = await inTransaction(systemPool, beginSystem, async (tx) => {
        await lockAndCompare(tx);
        return work(tx);
      });
      recordChange();
      return result;
    },
    systemChange: async (origin, work) => {
      const result = await systemChange(systemPool, origin, async (tx, audit) => {
        await lockAndCompare(tx);
        return work(tx, audit);
      });
      changed.add(origin);
      recordChange();
      return result;
    },
    hasChanged: (origin) => changed.has(origin),
    close: async () => {
      stopWatching?.();
      await changes.close();
      await pools.end();
    },
  };
}

/** Returns the name of the constraint a failed write violated, or null. */
export function violatedConstraint(error: unknown): string | null {
  for (let cause = error; cause instanceof Error; cause = cause.cause as Error) {
    const { code, constraint } = cause as { code?: string; constraint?: string };
    if ((code === "23505" || code === "23503" || code === "23514") && constraint) return constraint;
  }
  return null;
}
