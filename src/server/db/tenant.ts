import { sql } from "drizzle-orm";
import type { Queryable } from "./connect.js";

/** Locks the organization's row until the transaction ends: quotas and owners are decided one after another. */
export async function lockOrganization(tx: Queryable, orgId: string): Promise<void> {
  await tx.execute(sql`select from organizations where id = ${orgId} for update`);
}
