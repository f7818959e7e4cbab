import { and, desc, eq, sql } from "drizzle-orm";
import type { OrganizationKey } from "#shared/api/api-keys.js";
import type { Queryable } from "../../db/connection/connect.js";
import { agents, apiKeys, memberships } from "../../db/tables/tables.js";
import { users } from "../../db/tables/identity-tables.js";
import { keyColumns, type StoredKey } from "./api-keys.queries.js";

/** A key whose scopes name an organization, and who is behind it. */
export interface ActingKey {
  key: StoredKey;
  owner: OrganizationKey["owner"];
  agent_name: string | null;
}

/** Whether a key can act in an organization at this moment: its owner is in it, and it is not shut out. */
const actsIn = (orgId: string) => sql`
  ${apiKeys.revoked_at} is null and (${apiKeys.expires_at} is null or ${apiKeys.expires_at} > now())
  and ${users.is_active} and ${agents.terminated_at} is null
  and ${orgId}::uuid <> all(${apiKeys.shut_out_of})
  and (${apiKeys.scopes} @> array['*:*'] or ${isScopedTo(orgId)})`;

/** Whether a key's scopes name an organization; those of full access name none and are their owner's alone. */
function isScopedTo(orgId: string) {
  return sql`exists (select from unnest(${apiKeys.scopes}) scope
    where starts_with(scope, ${`org:${orgId}:`}))`;
}

function selectActing(tx: Queryable, orgId: string) {
  return tx
    .select({
      key: keyColumns,
      owner: { id: users.id, email: users.email, full_name: users.full_name },
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

export async function listActingKeys(
  tx: Queryable,
  orgId: string,
  after: string | null,
  limit: number,
): Promise<ActingKey[]> {
  return selectActing(tx, orgId)
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

/** One of them, which nobody else changes until the transaction ends. */
export async function lockActingKey(
  tx: Queryable,
  orgId: string,
  keyId: string,
): Promise<StoredKey | undefined> {
  const [row] = await selectActing(tx, orgId)
    .where(and(actsIn(orgId), eq(apiKeys.id, keyId)))
    .for("update", { of: apiKeys });
  return row?.key;
}
