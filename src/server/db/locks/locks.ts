import type pg from "pg";
import { fairSlots, type FairSlots } from "#shared/node/fair-slots.js";
import { keyQueue } from "./key-queue.js";

/**
 * Runs work under locks shared by all server processes, first in, first out per key.
 * @param orgId the organization the work is for; waiting organizations take turns
 */
export type Locks = <Result>(
  orgId: string,
  keys: readonly string[],
  work: (tryMore: TryMore) => Promise<Result>,
) => Promise<Result>;

/**
 * Takes further locks that are free, until the work ends, and returns their keys. It never waits, so
 * the order does not matter.
 */
export type TryMore = (keys: readonly string[]) => Promise<ReadonlySet<string>>;

/** Runs work if the lock is free. Returns whether it ran. */
export type TryLock = (key: string, work: () => Promise<void>) => Promise<boolean>;

/** Locks were not granted in time, or too many callers wait for them. */
export class LockBusyError extends Error {
  override readonly name = "LockBusyError";
}

/** Makes the error of a caller that gets no lock, from the reason. */
export type LockError = (reason: string) => Error;

/** Maximum wait for locks, in milliseconds. */
const MAX_WAIT_MS = 60_000;
/** Maximum number of waiting callers per organization. */
const MAX_WAITING = 200;
/**
 * Connections of lock holders, at most half of them for one organization. A holder may take further
 * locks as long as fewer holders than that half do so, such as the few concurrent upstream fetches.
 */
const HOLDERS = { slots: 20, perOwner: 10 };
/** Connections of callers whose lock is held by another process. */
const REMOTE_WAITERS = { slots: 6, perOwner: 2 };
/** Connections for non-waiting work: checkpoints, and one repack and one move of a project, which may take long. */
const TRY_CONNECTIONS = 4;

/** Total connections needed for locks. */
export const lockConnections = HOLDERS.slots + REMOTE_WAITERS.slots + TRY_CONNECTIONS;

/** Like `createLocks`, for one lock and without waiting. */
export function createTryLock(pool: pg.Pool): TryLock {
  return async (key, work) => {
    const client = await pool.connect();
    try {
      const isFree = await tryAll(client, [key]);
      if (isFree) await work();
      return isFree;
    } finally {
      await unlockAll(client);
    }
  };
}

/**
 * Creates session-level advisory locks. Callers of this process queue per key without a connection; the
 * first one takes a connection, in turn between organizations. All locks of a caller are on one
 * connection, and PostgreSQL releases them when the process dies. The work runs outside any
 * transaction.
 *
 * @param busy makes the error that is thrown after a minute, or when too many callers of the
 * organization wait
 */
export function createLocks(
  pool: pg.Pool,
  busy: LockError = (reason) => new LockBusyError(reason),
): Locks {
  const queue = keyQueue();
  const holders = fairSlots(HOLDERS);
  const waiters = fairSlots(REMOTE_WAITERS);
  const waiting = new Map<string, number>();

  /** Counts a waiting caller and returns the function that ends its wait. */
  const beginWaiting = (orgId: string): (() => void) => {
    const others = waiting.get(orgId) ?? 0;
    if (others >= MAX_WAITING) {
      throw busy(`${MAX_WAITING} operations of the organization are already waiting`);
    }
    waiting.set(orgId, others + 1);
    let isWaiting = true;
    return () => {
      if (!isWaiting) return;
      isWaiting = false;
      const left = (waiting.get(orgId) ?? 1) - 1;
      if (left === 0) waiting.delete(orgId);
      else waiting.set(orgId, left);
    };
  };

  return async (orgId, wanted, work) => {
    const stopWaiting = beginWaiting(orgId);
    const keys = [...new Set(wanted)].toSorted();
    const until = performance.now() + MAX_WAIT_MS;
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(busy(inProgress)), MAX_WAIT_MS);
    const releases: (() => void)[] = [];
    let held: Held | null = null;
    try {
      // Always in the same order, so that two callers cannot deadlock.
      for (const key of keys) releases.push(await queue.take(key, late.signal));
      held = await holdConnection(pool, holders, orgId, late.signal);
      if (!(await tryAll(held.client, keys))) {
        // Another process holds a lock.
        const first = held;
        held = null;
        await first.end();
        held = await holdConnection(pool, waiters, orgId, late.signal);
        const isLocked = await waitForAll(held.client, keys, until - performance.now());
        if (!isLocked) throw busy(inProgress);
      }
      clearTimeout(timer);
      stopWaiting();
      const { client } = held;
      return await work(async (further) => {
        const open = further.filter((key) => {
          const release = queue.tryTake(key);
          if (release !== null) releases.push(release);
          return release !== null;
        });
        return open.length === 0 ? new Set() : lockFree(client, open);
      });
    } finally {
      clearTimeout(timer);
      stopWaiting();
      // Only the next holder waits for the release.
      void Promise.resolve(held?.end()).then(() => {
        for (const release of releases) release();
      });
    }
  };
}

const inProgress = "Another operation is in progress";

/** A connection for locks. */
interface Held {
  client: pg.PoolClient;
  /** Releases the locks, the connection and its slot. */
  end(): Promise<void>;
}

async function holdConnection(
  pool: pg.Pool,
  slots: FairSlots,
  owner: string,
  signal: AbortSignal,
): Promise<Held> {
  const free = await slots.take(owner, signal);
  try {
    const client = await pool.connect();
    return {
      client,
      end: async () => {
        await unlockAll(client);
        free();
      },
    };
  } catch (error) {
    free();
    throw error;
  }
}

/** Releases all locks on a connection and gives it back to its pool. */
async function unlockAll(client: pg.PoolClient): Promise<void> {
  let broken: Error | undefined;
  await client.query("select pg_advisory_unlock_all()").catch((error: unknown) => {
    broken = error as Error;
  });
  client.release(broken);
}

/**
 * Locks all keys if no other process holds or waits for any of them; otherwise none, and returns false.
 */
async function tryAll(client: pg.PoolClient, keys: readonly string[]): Promise<boolean> {
  if ((await lockFree(client, keys)).size === keys.length) return true;
  await client.query("select pg_advisory_unlock_all()");
  return false;
}

/** Locks those keys that no other process holds or waits for, and returns them. */
async function lockFree(
  client: pg.PoolClient,
  keys: readonly string[],
): Promise<ReadonlySet<string>> {
  const { rows } = await client.query<{ key: string; free: boolean }>(
    `select key, pg_try_advisory_lock(hashtextextended(key, 0)) as free
     from unnest($1::text[]) as key`,
    [keys],
  );
  return new Set(rows.flatMap(({ key, free }) => (free ? [key] : [])));
}

/** Locks the keys, which are in the order shared by all processes; returns false on a timeout. */
async function waitForAll(
  client: pg.PoolClient,
  keys: readonly string[],
  timeoutMs: number,
): Promise<boolean> {
  await client.query(`set lock_timeout = ${Math.max(1, Math.round(timeoutMs))}`);
  try {
    for (const key of keys) {
      await client.query("select pg_advisory_lock(hashtextextended($1, 0))", [key]);
    }
    return true;
  } catch (error) {
    if ((error as { code?: string }).code !== "55P03") throw error;
    return false;
  }
}
