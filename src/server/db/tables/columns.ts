import { sql } from "drizzle-orm";
import { customType } from "drizzle-orm/pg-core";

export { newId } from "#shared/node/new-id.js";

/** `timestamptz(3)` in its wire format: RFC 3339, UTC, milliseconds. */
export const instant = customType<{ data: string; driverData: string }>({
  dataType: () => "timestamp (3) with time zone",
  fromDriver: (value) => isoInstant(value),
});

/** Converts PostgreSQL's text of a timestamptz to RFC 3339 in UTC with milliseconds. */
export function isoInstant(value: string | Date): string {
  return new Date(value).toISOString();
}

export const bytes = customType<{ data: Buffer }>({ dataType: () => "bytea" });

/** Creation time of a row, set by the database. */
export const createdAt = () =>
  instant()
    .notNull()
    .default(sql`now()`);

/** Time of a row that is ordered against others of its transaction: the clock's, not the transaction's. */
export const clockTime = () =>
  instant()
    .notNull()
    .default(sql`clock_timestamp()`);
