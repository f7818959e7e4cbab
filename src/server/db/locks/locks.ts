import type pg from "pg";
import { AppError } from "../../errors.js";
import { fairSlots, type FairSlots } from "#shared/node/fair-slots.js";
import { keyQueue } from "./key-queue.js";

/**
 * Runs work while holding locks that all server processes share, first in, first out for each key.
 * @param orgId the organization whose work this is: organizations take turns
 */
export type Locks = <Result>(
  orgId: string,
  keys: readonly string[],
  work: () => Promise<Result>,
) => Promise<Result>;

/** Runs work with a lock held, if nobody holds it now: then true, else false. */
export type TryLock = (key: string, work: () => Promise<void>) => Promise<boolean>;

/** How long a caller waits for its locks. */
const waitMs = 60_000;
/** Callers of one organization that wait at the same time. */
const mostWaiting = 200;
/**
 * Connections of those who hold locks. An organization has half of them at most. A holder may take further
 * locks as long as fewer holders than that half do so: fetches from upstreams, of which a few run at once.
 */
const holding = { slots: 20, perOwner: 10 };
/** Connections of those who wait for a lock that another process holds, and then hold it. */
const waitingElsewhere = { slots: 6, perOwner: 2 };
/** Connections of work that does not wait: of checkpoints, and of one packing, which may take long. */
const trying = 3;

/** The connections that locks need. */
export const lockConnections = holding.slots + waitingElsewhere.slots + trying;

/** As `locksOn`, for one lock and without waiting. */
export function tryLockOn(pool: pg.Pool): TryLock {
  return (key, work) =>
    withConnection(pool, async (client) => {
      const isFree = await tryAll(client, [key]);
      if (isFree) await work();
      return isFree;
    });
}

/**
 * Session-level advisory locks. Callers of this process queue for each key without a connection; the
 * first one takes a connection, in turn between organizations. All locks of a caller are on one connection,
 * and the database frees them when the process dies. The work runs outside any transaction.
 *
 * @throws AppError 409 `workspace_busy` after waiting a minute, and where too many of the organization wait
 */
export function locksOn(pool: pg.Pool): Locks {
  const queue = keyQueue();
  const holders = fairSlots(holding);
  const waiters = fairSlots(waitingElsewhere);
  const waiting = new Map<string, number>();

  /** Counts a caller that waits; answers what ends its waiting. */
  const beginWaiting = (orgId: string): (() => void) => {
    const others = waiting.get(orgId) ?? 0;
    if (others >= mostWaiting) {
      throw busy(`${mostWaiting} operations of the organization wait already`);
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
    const until = performance.now() + waitMs;
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(busy("Another operation is under way")), waitMs);
    const begin = (): ReturnType<typeof work> => {
      clearTimeout(timer);
      stopWaiting();
      return work();
    };
    const releases: (() => void)[] = [];
    try {
      // In the order that all keep, so that no two callers wait for each other.
      for (const key of keys) releases.push(await queue.take(key, late.signal));
      const held = await withSlot(holders, orgId, late.signal, () =>
        withConnection(pool, async (client) =>
          (await tryAll(client, keys)) ? { result: await begin() } : null,
        ),
      );
      if (held) return held.result;
      // Another process has a lock.
      return await withSlot(waiters, orgId, late.signal, () =>
        withConnection(pool, async (client) => {
          await waitForAll(client, keys, until - performance.now());
          return begin();
        }),
      );
    } finally {
      clearTimeout(timer);
      stopWaiting();
      for (const release of releases) release();
    }
  };
}

function busy(reason: string): AppError {
  return new AppError("workspace_busy", `${reason}; try again in a moment.`, {
    headers: { "retry-after": "5" },
  });
}

async function withSlot<Result>(
  slots: FairSlots,
  owner: string,
  signal: AbortSignal,
  work: () => Promise<Result>,
): Promise<Result> {
  const free = await slots.take(owner, signal);
  try {
    return await work();
  } finally {
    free();
  }
}

/** Gives a connection to work, and frees all locks on it afterwards. */
async function withConnection<Result>(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    return await work(client);
  } finally {
    await client.query("select pg_advisory_unlock_all()").catch((error: unknown) => {
      broken = error as Error;
    });
    client.release(broken);
  }
}

/** Locks all keys that nobody holds or waits for in another process; false where not all were free. */
async function tryAll(client: pg.PoolClient, keys: readonly string[]): Promise<boolean> {
  const { rows } = await client.query<{ free: boolean }>(
    `select pg_try_advisory_lock(hashtextextended(key, 0)) as free from unnest($1::text[]) as key`,
    [keys],
  );
  if (rows.every(({ free }) => free)) return true;
  await client.query("select pg_advisory_unlock_all()");
  return false;
}

/** Locks the keys, which are in the order that all processes keep. @throws AppError 409 `workspace_busy` */
async function waitForAll(
  client: pg.PoolClient,
  keys: readonly string[],
  timeoutMs: number,
): Promise<void> {
  await client.query(`set lock_timeout = ${Math.max(1, Math.round(timeoutMs))}`);
  try {
    for (const key of keys) {
      await client.query("select pg_advisory_lock(hashtextextended($1, 0))", [key]);
    }
  } catch (error) {
    if ((error as { code?: string }).code !== "55P03") throw error;
    throw busy("Another operation is under way");
  }
}
