import { setTimeout as pause } from "node:timers/promises";
import { drizzle } from "drizzle-orm/node-postgres";
import type pg from "pg";
import type { Queryable } from "./queryable.js";
import { isRepeatable } from "./failures.js";

/** Tries of one transaction that others keep ending. */
const ATTEMPTS = 6;
/** Pause before the second try, in milliseconds, at most; twice as long before each further one. */
const FIRST_PAUSE_MS = 10;

/**
 * Runs work in a transaction. A deadlock or a serialization failure runs all of it again, so the work has
 * no effects outside of the transaction.
 * @param begin the statements that open the transaction, and set and lock what it needs
 */
export async function inTransaction<Result>(
  pool: pg.Pool,
  begin: string,
  work: (tx: Queryable, client: pg.PoolClient) => Promise<Result>,
): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await tryTransaction(pool, begin, work);
    } catch (error) {
      if (attempt === ATTEMPTS || !isRepeatable(error)) throw error;
      // At random, so that those who collided do not collide again.
      await pause(Math.random() * FIRST_PAUSE_MS * 2 ** (attempt - 1));
    }
  }
}

async function tryTransaction<Result>(
  pool: pg.Pool,
  begin: string,
  work: (tx: Queryable, client: pg.PoolClient) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query(begin);
    const result = await work(drizzle(client) as Queryable, client);
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
