import type { ApiKey } from "#shared/api/identity/api-keys.js";
import { diffFields, type Change } from "../../../db/audit/audit.js";
import type { Database, Queryable } from "../../../db/connection/connect.js";
import { organizationOf, organizationsIn, presentScope } from "./scopes.js";
import * as queries from "./api-keys.queries.js";

/** Presents keys to their owner. */
export async function presentKeys(db: Database, keys: queries.StoredKey[]): Promise<ApiKey[]> {
  const orgIds = keys.flatMap(({ scopes, shut_out_of }) => [
    ...organizationsIn(scopes),
    ...shut_out_of,
  ]);
  const slugs = await db.withSystem("read slugs for the scopes of keys", (tx) =>
    queries.slugsOf(tx, [...new Set(orgIds)]),
  );
  return keys.map(({ user_id: _owner, ...key }) => ({
    ...key,
    scopes: key.scopes.map((scope) => presentScope(scope, slugs)),
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
 * Writes a key's event to each organization its scopes name, with the scopes as granted
 * (`org:acme-corp:*`). A key with full access writes none, so its cost does not grow with the number of
 * organizations and its name stays private; it appears in the events it causes.
 */
export async function auditKey(
  tx: Queryable,
  audit: (orgId: string, change: Change) => void,
  { action, key, before, after }: KeyEvent,
): Promise<void> {
  const orgIds = organizationsIn([before, after].flatMap((stored) => stored?.scopes ?? []));
  if (orgIds.length === 0) return;
  const slugs = await queries.slugsOf(tx, orgIds);
  for (const orgId of orgIds) {
    // Each organization sees only its own part of the scopes.
    const within = (stored: queries.StoredKey | null) =>
      stored && {
        ...stored,
        scopes: stored.scopes
          .filter((scope) => [null, orgId].includes(organizationOf(scope)))
          .map((scope) => presentScope(scope, slugs)),
      };
    const changes = diffFields(within(before), within(after), toldFields);
    const isTold = before !== after && Object.keys(changes).length === 0;
    if (isTold) continue;
    audit(orgId, { action, target: { type: "api_key", id: key.id, name: key.name }, changes });
  }
}
