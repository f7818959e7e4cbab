import type { Database, Queryable } from "../db/connection/connect.js";
import { AppError } from "../errors.js";
import * as rateLimits from "./rate-limit.queries.js";

export interface Limit {
  hits: number;
  seconds: number;
}

/**
 * Counts a hit.
 * @throws AppError 429
 */
export async function limitHits(db: Database, bucket: string, limit: Limit): Promise<void> {
  await db.withSystem("count hits", (tx) => limitHitsWithin(tx, bucket, limit));
}

/**
 * Counts a hit in the current transaction and rolls back with it.
 * @throws AppError 429
 */
export async function limitHitsWithin(tx: Queryable, bucket: string, limit: Limit): Promise<void> {
  const { hits, reset } = await rateLimits.countHit(tx, bucket, limit.seconds);
  if (hits > limit.hits) throw tooMany(limit, reset);
}

/**
 * Limits failures of an attempt. Each attempt is counted before its outcome is known, so concurrency
 * cannot bypass the limit; a success is removed again.
 * @throws AppError 429
 */
export async function limitFailures<Result>(
  db: Database,
  bucket: string,
  limit: Limit,
  attempt: () => Promise<Result>,
): Promise<Result> {
  await limitHits(db, bucket, limit);
  const result = await attempt();
  await removeHit(db, bucket, limit);
  return result;
}

/** Removes a hit. */
export function removeHit(db: Database, bucket: string, { seconds }: Limit): Promise<void> {
  return db.withSystem("remove a successful attempt from the count", (tx) =>
    rateLimits.uncountHit(tx, bucket, seconds),
  );
}

export function tooMany(limit: Limit, reset: number): AppError {
  return new AppError(
    "rate_limited",
    `Too many attempts; try again in ${Math.ceil(reset / 60)} minutes.`,
    {
      headers: {
        "retry-after": String(reset),
        ratelimit: `"default";r=0;t=${reset}`,
        "ratelimit-policy": `"default";q=${limit.hits};w=${limit.seconds}`,
      },
    },
  );
}
