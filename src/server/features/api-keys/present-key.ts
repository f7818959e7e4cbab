import type { ApiKey } from "#shared/api/api-keys.js";
import { diffFields, type Change } from "../../db/audit/audit.js";
import type { Database } from "../../db/connection/connect.js";
import { organizationOf, organizationsIn, shownScope } from "./scopes.js";
import * as queries from "./api-keys.queries.js";

/** Keys as their owner sees them. */
export async function presentKeys(db: Database, keys: queries.StoredKey[]): Promise<ApiKey[]> {
  const orgIds = keys.flatMap(({ scopes, shut_out_of }) => [
    ...organizationsIn(scopes),
    ...shut_out_of,
  ]);
  const slugs = await db.withSystem("name the organizations of keys", (tx) =>
    queries.slugsOf(tx, [...new Set(orgIds)]),
  );
  return keys.map(({ user_id: _owner, ...key }) => ({
    ...key,
    scopes: key.scopes.map((scope) => shownScope(scope, slugs)),
    shut_out_of: key.shut_out_of.map((id) => slugs.get(id) ?? id),
    is_active: key.status === "active",
  }));
}

export async function presentKey(db: Database, key: queries.StoredKey): Promise<ApiKey> {
  return (await presentKeys(db, [key]))[0] as ApiKey;
}

interface KeyEvent {
  action: Extract<Change["action"], `api_key.${string}`>;
  key: queries.StoredKey;
  before: queries.StoredKey | null;
  after: queries.StoredKey | null;
}

const toldFields = [
  "name",
  "description",
  "key_hint",
  "scopes",
  "agent_id",
  "allowed_ips",
  "rate_limit_per_minute",
  "expires_at",
] as const;

/**
 * Tells each organization that a key's scopes name of what happened to the key. A key of full access is
 * its owner's alone: organizations are not told of it, so that its cost does not grow with their number
 * and its name stays private. Their logs name it in each event that it causes.
 */
export function auditKey(
  audit: (orgId: string, change: Change) => void,
  { action, key, before, after }: KeyEvent,
): void {
  for (const orgId of organizationsIn([before, after].flatMap((stored) => stored?.scopes ?? []))) {
    // Of a key for several organizations each is told of its own part.
    const within = (stored: queries.StoredKey | null) =>
      stored && {
        ...stored,
        scopes: stored.scopes
          .filter((scope) => [null, orgId].includes(organizationOf(scope)))
          .map((scope) => scope.replace(`org:${orgId}:`, "")),
      };
    const changes = diffFields(within(before), within(after), toldFields);
    const isTold = before !== after && Object.keys(changes).length === 0;
    if (isTold) continue;
    audit(orgId, { action, target: { type: "api_key", id: key.id, name: key.name }, changes });
  }
}
