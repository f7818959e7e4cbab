import type pg from "pg";
import { AppError } from "../errors.js";

/** Runs work while holding locks that all server processes share, first in first out for each. */
export type Locks = <Result>(
  keys: readonly string[],
  work: () => Promise<Result>,
) => Promise<Result>;

/** Runs work with a lock held, if nobody holds it now: then true, else false. */
export type TryLock = (key: string, work: () => Promise<void>) => Promise<boolean>;

/** As `locksOn`, for one lock and without waiting. */
export function tryLockOn(pool: pg.Pool): TryLock {
  return async (key, work) => {
    const client = await pool.connect();
    let broken: Error | undefined;
    try {
      const { rows } = await client.query<{ free: boolean }>(
        "select pg_try_advisory_lock(hashtextextended($1, 0)) as free",
        [key],
      );
      const isFree = rows[0]?.free ?? false;
      if (isFree) await work();
      return isFree;
    } finally {
      await client.query("select pg_advisory_unlock_all()").catch((error: unknown) => {
        broken = error as Error;
      });
      client.release(broken);
    }
  };
}

/**
 * Session-level advisory locks, all on one connection and always in the same order, so that no two
 * holders can wait for each other. The database frees them when the process dies. The work runs
 * outside any transaction.
 *
 * @throws AppError 409 `workspace_busy` after waiting a minute
 */
export function locksOn(pool: pg.Pool): Locks {
  const limited = new WeakSet<pg.PoolClient>();
  return async (keys, work) => {
    const client = await pool.connect();
    let broken: Error | undefined;
    try {
      if (!limited.has(client)) {
        await client.query("set lock_timeout = '60s'");
        limited.add(client);
      }
      for (const key of new Set(keys.toSorted())) {
        await client.query("select pg_advisory_lock(hashtextextended($1, 0))", [key]);
      }
      return await work();
    } catch (error) {
      if ((error as { code?: string }).code !== "55P03") throw error;
      throw new AppError(
        "workspace_busy",
        "Another operation is under way; try again in a moment.",
      );
    } finally {
      await client.query("select pg_advisory_unlock_all()").catch((error: unknown) => {
        broken = error as Error;
      });
      client.release(broken);
    }
  };
}
