import { and, desc, eq, sql } from "drizzle-orm";
import type { OrganizationKey } from "#shared/api/identity/api-keys.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { agents, apiKeys, memberships } from "../../../db/tables/tables.js";
import { users, userKind } from "../../../db/tables/identity-tables.js";
import { keyColumns, type StoredKey } from "./api-keys.queries.js";

/** A key scoped to an organization, with its owner. */
export interface ScopedKey {
  key: StoredKey;
  owner: OrganizationKey["owner"];
  agent_name: string | null;
}

/** Whether a key can currently act in an organization: its owner is a member and it is not blocked. */
export const actsIn = (orgId: string) => sql`
  ${apiKeys.revoked_at} is null and (${apiKeys.expires_at} is null or ${apiKeys.expires_at} > now())
  and ${users.is_active} and ${agents.terminated_at} is null
  and ${orgId}::uuid <> all(${apiKeys.shut_out_of})
  and (${apiKeys.scopes} @> array['*:*'] or ${isScopedTo(orgId)})`;

/**
 * Whether a key's scopes name an organization. Keys with full access name none and are visible to their
 * owners only.
 */
export function isScopedTo(orgId: string) {
  return sql`exists (select from unnest(${apiKeys.scopes}) scope
    where starts_with(scope, ${`org:${orgId}:`}))`;
}

function selectScoped(tx: Queryable, orgId: string) {
  return tx
    .select({
      key: keyColumns,
      owner: { kind: userKind, id: users.id, email: users.email, full_name: users.full_name },
      agent_name: agents.name,
    })
    .from(apiKeys)
    .innerJoin(users, eq(users.id, apiKeys.user_id))
    .innerJoin(
      memberships,
      and(eq(memberships.user_id, apiKeys.user_id), eq(memberships.org_id, orgId)),
    )
    .leftJoin(agents, eq(agents.id, apiKeys.agent_id));
}

export async function listScopedKeys(
  tx: Queryable,
  orgId: string,
  after: string | null,
  limit: number,
): Promise<ScopedKey[]> {
  return selectScoped(tx, orgId)
    .where(
      and(
        actsIn(orgId),
        isScopedTo(orgId),
        after === null ? undefined : sql`${apiKeys.id} < ${after}`,
      ),
    )
    .orderBy(desc(apiKeys.id))
    .limit(limit);
}

/** Locks such a key until the transaction ends. */
export async function lockScopedKey(
  tx: Queryable,
  orgId: string,
  keyId: string,
): Promise<StoredKey | undefined> {
  const [row] = await selectScoped(tx, orgId)
    .where(and(actsIn(orgId), eq(apiKeys.id, keyId)))
    .for("update", { of: apiKeys });
  return row?.key;
}
