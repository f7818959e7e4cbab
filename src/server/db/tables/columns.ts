import { sql } from "drizzle-orm";
import { customType } from "drizzle-orm/pg-core";
import { v7 } from "uuid";

/** A new UUIDv7 (RFC 9562): sorts by the time it was made, which keeps indexes dense. */
export const newId = (): string => v7();

/** `timestamptz(3)` as it goes over the wire: RFC 3339, UTC, milliseconds. */
export const instant = customType<{ data: string; driverData: string }>({
  dataType: () => "timestamp (3) with time zone",
  fromDriver: (value) => isoInstant(value),
});

/** PostgreSQL's text of a timestamptz, as RFC 3339 in UTC with milliseconds. */
export function isoInstant(value: string | Date): string {
  return new Date(value).toISOString();
}

export const bytes = customType<{ data: Buffer }>({ dataType: () => "bytea" });

/** When a row was made, by the database. */
export const createdAt = () =>
  instant()
    .notNull()
    .default(sql`now()`);
