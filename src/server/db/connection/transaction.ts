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
 * Reads what the work of a transaction depends on. Its first statement is sent together with those that
 * begin the transaction, which saves a round trip with the lock held. PostgreSQL runs statements in order
 * and gives each a snapshot of its own: the read sees what the last holder of the lock committed.
 */
export type ReadFirst<First> = (tx: Queryable) => Promise<First>;

/**
 * Runs work in a transaction. A deadlock or a serialization failure runs all of it again, so the work has
 * no effects outside of the transaction.
 * @param begin the statements that open the transaction, and set and lock what it needs
 * @param readFirst runs before the work, which gets its result
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
      if (attempt === ATTEMPTS || !isRepeatable(error)) throw error;
      // At random, so that those who collided do not collide again.
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
