import { createHash } from "node:crypto";
import { eq, sql } from "drizzle-orm";
import type { Queryable } from "../../../../db/connection/connect.js";
import { forgeHandshakes } from "../../../../db/tables/forge-tables.js";

export type Handshake = typeof forgeHandshakes.$inferSelect;

/** Returns the key of a state, which itself is stored nowhere. */
export const keyOf = (state: string): string => createHash("sha256").update(state).digest("hex");

/** Begins a visit, and forgets what has expired. */
export async function insertHandshake(
  tx: Queryable,
  row: typeof forgeHandshakes.$inferInsert,
): Promise<void> {
  await tx.delete(forgeHandshakes).where(sql`${forgeHandshakes.expires_at} < now()`);
  await tx.insert(forgeHandshakes).values(row);
}

/** Finds a visit that has not expired. */
export async function findHandshake(tx: Queryable, id: string): Promise<Handshake | undefined> {
  const [row] = await tx
    .select()
    .from(forgeHandshakes)
    .where(sql`${forgeHandshakes.id} = ${id} and ${forgeHandshakes.expires_at} > now()`);
  return row;
}

export async function updateHandshake(
  tx: Queryable,
  id: string,
  changes: Partial<typeof forgeHandshakes.$inferInsert>,
): Promise<void> {
  await tx.update(forgeHandshakes).set(changes).where(eq(forgeHandshakes.id, id));
}

/** Ends a visit. Returns false if another request has. */
export async function deleteHandshake(tx: Queryable, id: string): Promise<boolean> {
  const rows = await tx
    .delete(forgeHandshakes)
    .where(eq(forgeHandshakes.id, id))
    .returning({ id: forgeHandshakes.id });
  return rows.length > 0;
}
