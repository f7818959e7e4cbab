import { setTimeout as pause } from "node:timers/promises";
import { drizzle } from "drizzle-orm/node-postgres";
import type pg from "pg";
import type { Queryable } from "../queryable.js";
import { CommitUnknownError, isCommitUnknown, isConnectionLost, isRetryable } from "./failures.js";

/** Attempts per transaction. */
const ATTEMPTS = 6;
/** Attempts of a transaction that lost its connection before its commit was sent. */
const LOST_ATTEMPTS = 3;
/**
 * Upper bound of the pause before the second attempt, in milliseconds; doubled for each further
 * attempt.
 */
const FIRST_PAUSE_MS = 10;

/**
 * Reads the rows the work depends on. Like all work, its first statement is sent together with those
 * that begin the transaction, which saves a round trip under the lock. PostgreSQL runs statements in
 * order, each with its own snapshot, so the read sees the commits of the previous lock holder.
 */
export type ReadFirst<First> = (tx: Queryable) => Promise<First>;

/**
 * The work of a transaction. Statements in `last` are sent together with the commit, which a failed one
 * turns into a rollback.
 */
export type TransactionWork<Result, First> = (
  tx: Queryable,
  client: pg.PoolClient,
  first: First,
  last: pg.QueryConfig[],
) => Promise<Result>;

/**
 * Runs work in a transaction. Deadlocks, serialization failures and a connection that is lost before the
 * commit run all of it again, so the work must have no other effects.
 * @param begin statements that open the transaction, apply its settings and take its locks
 * @param readFirst runs before the work, which receives its result
 * @throws CommitUnknownError if the connection is lost during the commit
 */
export async function inTransaction<Result, First = undefined>(
  pool: pg.Pool,
  begin: string,
  work: TransactionWork<Result, First>,
  readFirst?: ReadFirst<First>,
): Promise<Result> {
  return withRetries(() => tryTransaction(pool, begin, work, readFirst));
}

/** Reads in a read-only transaction. The result does not wait for its end. */
export function inReadTransaction<Result>(
  pool: pg.Pool,
  begin: string,
  read: ReadFirst<Result>,
): Promise<Result> {
  return withRetries(async () => {
    const client = await pool.connect();
    try {
      return await beginWith(client, begin, () => read(drizzle(client)));
    } finally {
      client.query("commit").then(
        () => client.release(),
        (error: unknown) => client.release(error as Error),
      );
    }
  });
}

/**
 * Sends the first statement of the work together with those that begin the transaction. After a failure
 * of the latter PostgreSQL rejects all that follow.
 */
async function beginWith<Result>(
  client: pg.PoolClient,
  begin: string,
  work: () => Promise<Result>,
): Promise<Result> {
  const [begun, done] = await Promise.allSettled([client.query(begin), work()]);
  if (begun.status === "rejected") throw begun.reason;
  if (done.status === "rejected") throw done.reason;
  return done.value;
}

async function withRetries<Result>(run: () => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await run();
    } catch (error) {
      const isRolledBack = attempt < LOST_ATTEMPTS && isConnectionLost(error);
      const isAborted = attempt < ATTEMPTS && isRetryable(error);
      if (isCommitUnknown(error) || !(isRolledBack || isAborted)) throw error;
      // Randomized, so that colliding transactions do not collide again.
      await pause(Math.random() * FIRST_PAUSE_MS * 2 ** (attempt - 1));
    }
  }
}

async function tryTransaction<Result, First>(
  pool: pg.Pool,
  begin: string,
  work: TransactionWork<Result, First>,
  readFirst: ReadFirst<First> | undefined,
): Promise<Result> {
  const client = await pool.connect();
  const tx = drizzle(client) as Queryable;
  let broken: Error | undefined;
  try {
    const last: pg.QueryConfig[] = [];
    const run = (first: First): Promise<Result> => work(tx, client, first, last);
    const result = readFirst
      ? await run(await beginWith(client, begin, () => readFirst(tx)))
      : await beginWith(client, begin, () => run(undefined as First));
    await commit(client, last);
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

/**
 * Sends the last statements together with the commit.
 * @throws CommitUnknownError if the connection is lost before the commit is answered
 */
async function commit(client: pg.PoolClient, last: readonly pg.QueryConfig[]): Promise<void> {
  // Other clients send a statement after the answer to the previous one only.
  const isPipelined = (client as { pipeline?: boolean }).pipeline === true;
  if (!isPipelined) for (const statement of last) await client.query(statement);
  const outcomes = await Promise.allSettled([
    ...(isPipelined ? last : []).map((statement) => client.query(statement)),
    client.query("commit"),
  ]);
  const failures = outcomes.flatMap((outcome) =>
    outcome.status === "rejected" ? [outcome.reason as unknown] : [],
  );
  if (failures.length === 0) return;
  // A statement that PostgreSQL rejected turned the commit into a rollback.
  const rejection = failures.find((failure) => !isConnectionLost(failure));
  if (rejection instanceof Error) throw rejection;
  throw new CommitUnknownError(failures[0]);
}
