import { lt, sql } from "drizzle-orm";
import type { Queryable } from "../db/connection/connect.js";
import { rateLimits } from "../db/tables/identity-tables.js";

/** Counts a hit in the current window. Returns the count and the seconds until the next window. */
export async function countHit(
  tx: Queryable,
  bucket: string,
  windowSeconds: number,
): Promise<{ hits: number; reset: number }> {
  const { rows } = await tx.execute<{ hits: number; reset: number }>(sql`
    insert into rate_limits (bucket, window_start, hits)
    values (${bucket}, date_bin(make_interval(secs => ${windowSeconds}), now(), 'epoch'), 1)
    on conflict (bucket, window_start) do update set hits = rate_limits.hits + 1
    returning hits, ceil(extract(epoch from window_start + make_interval(secs => ${windowSeconds}) - now()))::int as reset`);
  return rows[0] ?? { hits: 1, reset: windowSeconds };
}

/** Removes a hit from the current window. */
export async function uncountHit(
  tx: Queryable,
  bucket: string,
  windowSeconds: number,
): Promise<void> {
  await tx.execute(sql`
    update rate_limits set hits = hits - 1 where bucket = ${bucket} and hits > 0
      and window_start = date_bin(make_interval(secs => ${windowSeconds}), now(), 'epoch')`);
}

/** Deletes past windows. */
export async function deleteExpiredHitWindows(tx: Queryable): Promise<void> {
  await tx.delete(rateLimits).where(lt(rateLimits.window_start, sql`now() - interval '1 day'`));
}
