import { sql } from "drizzle-orm";
import { cached } from "./cache/cache.js";
import type { ChangeFeed } from "./cache/changes.js";
import type { Queryable } from "./queryable.js";
import { isoInstant } from "./tables/columns.js";

/** The maintenance of the installation: while it lasts, nothing new starts and callers change nothing. */
export interface Maintenance {
  /** The words of the operator for callers. */
  message: string;
  since: string;
}

interface Row extends Record<string, unknown> {
  message: string | null;
  since: string | null;
}

/** Returns null outside of maintenance. Requires a system transaction. */
export async function readMaintenance(tx: Queryable): Promise<Maintenance | null> {
  const { rows } = await tx.execute<Row>(sql`
    select maintenance_message as message, maintenance_since as since from installation`);
  const { message = null, since = null } = rows[0] ?? {};
  return message === null || since === null ? null : { message, since: isoInstant(since) };
}

/** Locks the maintenance until the transaction ends, and returns it. Requires a system transaction. */
export async function lockMaintenance(tx: Queryable): Promise<Maintenance | null> {
  await tx.execute(sql`select from installation for update`);
  return readMaintenance(tx);
}

/** Begins the maintenance, changes its message, or ends it by null. Requires a system transaction. */
export async function writeMaintenance(tx: Queryable, message: string | null): Promise<void> {
  await tx.execute(sql`
    update installation set maintenance_message = ${message}::text,
      maintenance_since = case when ${message}::text is not null
        then coalesce(maintenance_since, clock_timestamp()) end`);
}

/** Answers from a cache of this process, which hears of each change. */
export function cachedMaintenance(
  changes: ChangeFeed,
  db: Queryable,
): () => Promise<Maintenance | null> {
  const read = cached<Maintenance | null>({
    changes,
    load: async () => ({ value: await readMaintenance(db), sources: ["installation"] }),
    size: 1,
  });
  return async () => (await read("maintenance")) ?? null;
}
