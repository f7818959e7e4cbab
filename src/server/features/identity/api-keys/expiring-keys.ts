import { and, asc, eq, isNull, sql } from "drizzle-orm";
import { isPerson, type Actor } from "../../../access/authenticate.js";
import type { Database } from "../../../db/connection/connect.js";
import { agents, apiKeys } from "../../../db/tables/tables.js";
import { users } from "../../../db/tables/identity-tables.js";
import { actsIn, isScopedTo } from "./organization-keys.queries.js";
import { scopesWithin } from "./scopes.js";

/** A key is announced this long before its end. */
const NOTICE_DAYS = 7;

interface ExpiringKey {
  /** Changes with the time of the expiry. */
  key: string;
  /** The beginning of the notice. */
  at: string;
  key_id: string;
  name: string;
  key_hint: string;
  expires_at: string;
  user_id: string;
  owner_name: string;
  agent_id: string | null;
  agent_name: string | null;
}

/**
 * Lists the keys without a successor that act in an organization and end soon: the caller's own, and those of
 * others on request. Keys of others with full access stay private to their owners. A credential sees only keys within
 * its scopes.
 */
export async function listExpiringKeys(
  db: Database,
  orgId: string,
  actor: Actor,
  { withOthers, limit }: { withOthers: boolean; limit: number },
): Promise<ExpiringKey[]> {
  if (!isPerson(actor)) return [];
  const others = withOthers ? isScopedTo(orgId) : sql`false`;
  const rows = await db.withSystem("list keys that expire soon", (tx) =>
    tx
      .select({
        key: sql<string>`'api_key:' || ${apiKeys.id} || ':'
          || floor(extract(epoch from ${apiKeys.expires_at}))::bigint`,
        at: sql`${apiKeys.expires_at} - make_interval(days => ${NOTICE_DAYS})`.mapWith(
          apiKeys.expires_at,
        ),
        key_id: apiKeys.id,
        name: apiKeys.name,
        key_hint: apiKeys.key_hint,
        expires_at: sql`${apiKeys.expires_at}`.mapWith(apiKeys.expires_at),
        scopes: apiKeys.scopes,
        user_id: apiKeys.user_id,
        owner_name: sql<string>`coalesce(${users.full_name}, ${users.email})`,
        agent_id: apiKeys.agent_id,
        agent_name: agents.name,
      })
      .from(apiKeys)
      .innerJoin(users, eq(users.id, apiKeys.user_id))
      .leftJoin(agents, eq(agents.id, apiKeys.agent_id))
      .where(
        and(
          sql`${apiKeys.expires_at} < now() + make_interval(days => ${NOTICE_DAYS})`,
          isNull(apiKeys.replaced_by),
          actsIn(orgId),
          sql`exists (select from memberships m where m.org_id = ${orgId}
            and m.user_id = ${apiKeys.user_id})`,
          sql`(${apiKeys.user_id} = ${actor.userId} or ${others})`,
        ),
      )
      .orderBy(asc(apiKeys.expires_at), asc(apiKeys.id))
      .limit(limit),
  );
  return rows
    .filter(({ user_id, scopes }) => user_id !== actor.userId || scopesWithin(actor, scopes))
    .map(({ scopes: _scopes, ...row }) => row);
}
