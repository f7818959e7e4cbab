import { isUuid } from "#shared/uuid.js";
import { prepared, type Queryable } from "../queryable.js";
import { tenantScope } from "./system-pool.js";

/*
 * The organization's lock is the first lock of a transaction. It is an advisory lock: shared or
 * exclusive, granted in request order, without writing the organization's row, and compatible with
 * inserts that reference that row. Memberships, the row at hand and finally the head of the audit log
 * follow (see `audit.ts`).
 */

const lockKey = (id: string): string => `hashtextextended('organization ' || ${id}, 0)`;

/**
 * The mode of an organization's lock: `shared` for writes that no other decision depends on;
 * `exclusive` for everything decisions depend on: members, roles, limits, states, runs.
 */
export type OrganizationLock = "shared" | "exclusive";

/** The node that a transaction writes for. It fails once the node is in another epoch. */
export interface NodeEpoch {
  readonly id: string;
  readonly epoch: number;
}

/** Returns the statements that begin a transaction of one organization, sent in one round trip. */
export function beginTenant(
  orgId: string,
  lock: OrganizationLock | "none" | "read only",
  node: NodeEpoch | null,
): string {
  if (!isUuid(orgId)) throw new Error("an organization id must be a UUID");
  const begin = lock === "read only" ? "begin read only" : "begin";
  const scope = tenantScope(orgId);
  if (lock === "read only") return `${begin}; ${scope}`;
  const fence = node ? `; select require_node_epoch('${node.id}', ${node.epoch})` : "";
  if (lock === "none") return `${begin}; ${scope}${fence}`;
  const take = lock === "shared" ? "pg_advisory_xact_lock_shared" : "pg_advisory_xact_lock";
  return `${begin}; ${scope}${fence}; select ${take}(${lockKey(`'${orgId}'`)})`;
}

/**
 * Locks organizations until the transaction ends, in the order of their ids, for work across
 * organizations. These locks come before all others of the transaction.
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

/** Locks a name until the transaction ends. This lock comes before all others of the transaction. */
export async function lockName(tx: Queryable, name: string): Promise<void> {
  const text = "select pg_advisory_xact_lock(hashtextextended($1, 0))";
  await prepared(tx, "lock a name", text, [name]);
}
