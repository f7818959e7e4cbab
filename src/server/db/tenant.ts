import { prepared, type Queryable } from "./connect.js";

/** Locks the organization's row until the transaction ends: quotas and owners are decided one after another. */
export async function lockOrganization(tx: Queryable, orgId: string): Promise<void> {
  const text = "select from organizations where id = $1 for update";
  await prepared(tx, "lock an organization", text, [orgId]);
}
