import { prepared, type Queryable } from "./queryable.js";
import { tenantScope } from "./system-pool.js";

/*
 * The lock of an organization is the first that a transaction takes. It is an advisory lock: it can be
 * held by many at once or by one alone, waiters get it in the order of their requests, it writes nothing
 * to the organization's row, and rows that refer to the organization can be inserted beside it. After it
 * come memberships, the row at hand, and last the head of the audit log (see `audit.ts`).
 */

const uuidShape = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const lockKey = (id: string): string => `hashtextextended('organization ' || ${id}, 0)`;

/**
 * How a transaction takes an organization's lock: `shared` for a write that no other decision depends on,
 * `exclusive` for all that others decide by: members, roles, limits, states, runs.
 */
export type OrganizationLock = "shared" | "exclusive";

/**
 * The statements that begin a transaction of one organization: row-level security shows its rows alone.
 * One round trip, however many there are.
 */
export function beginFor(orgId: string, lock: OrganizationLock | "none" | "read only"): string {
  if (!uuidShape.test(orgId)) throw new Error("an organization's id must be a UUID");
  const begin = lock === "read only" ? "begin read only" : "begin";
  const scope = tenantScope(orgId);
  if (lock === "none" || lock === "read only") return `${begin}; ${scope}`;
  const take = lock === "shared" ? "pg_advisory_xact_lock_shared" : "pg_advisory_xact_lock";
  return `${begin}; ${scope}; select ${take}(${lockKey(`'${orgId}'`)})`;
}

/**
 * Locks organizations until the transaction ends, in the order of their ids, for work across
 * organizations. It comes before every other lock of the transaction.
 */
export async function lockOrganizations(tx: Queryable, orgIds: readonly string[]): Promise<void> {
  if (orgIds.length === 0) return;
  await prepared(
    tx,
    "lock organizations",
    `select pg_advisory_xact_lock(${lockKey("id")})
    from (select distinct unnest($1::text[]) as id order by id) as sorted`,
    [orgIds],
  );
}
