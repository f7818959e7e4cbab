import { setTimeout as pause } from "node:timers/promises";
import { drizzle } from "drizzle-orm/node-postgres";
import type pg from "pg";
import type { Queryable } from "./queryable.js";
import { isRetryable } from "./failures.js";

/** Attempts per transaction. */
const ATTEMPTS = 6;
/**
 * Upper bound of the pause before the second attempt, in milliseconds; doubled for each further
 * attempt.
 */
const FIRST_PAUSE_MS = 10;

/**
 * Reads the rows the work depends on. Its first statement is pipelined with those that begin the
 * transaction, which saves a round trip under the lock. PostgreSQL runs statements in order, each with
 * its own snapshot, so the read sees the commits of the previous lock holder.
 */
export type ReadFirst<First> = (tx: Queryable) => Promise<First>;

/**
 * Runs work in a transaction. Deadlocks and serialization failures run all of it again, so the work
 * must have no other effects.
 * @param begin statements that open the transaction, apply its settings and take its locks
 * @param readFirst runs before the work, which receives its result
 */
export async function inTransaction<Result, First = undefined>(
  pool: pg.Pool,
  begin: string,
  work: (tx: Queryable, client: pg.PoolClient, first: First) => Promise<Result>,
  readFirst?: ReadFirst<First>,
): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await tryTransaction(pool, begin, work, readFirst);
    } catch (error) {
      if (attempt === ATTEMPTS || !isRetryable(error)) throw error;
      // Randomized, so that colliding transactions do not collide again.
      await pause(Math.random() * FIRST_PAUSE_MS * 2 ** (attempt - 1));
    }
  }
}

async function tryTransaction<Result, First>(
  pool: pg.Pool,
  begin: string,
  work: (tx: Queryable, client: pg.PoolClient, first: First) => Promise<Result>,
  readFirst: ReadFirst<First> | undefined,
): Promise<Result> {
  const client = await pool.connect();
  const tx = drizzle(client) as Queryable;
  let broken: Error | undefined;
  try {
    const [, first] = await Promise.all([client.query(begin), readFirst?.(tx)]);
    const result = await work(tx, client, first as First);
    await client.query("commit");
    return result;
  } catch (error) {
    await client.query("rollback").catch((failure: unknown) => {
      broken = failure as Error;
    });
    throw error;
  } finally {
    client.release(broken);
  }
}
