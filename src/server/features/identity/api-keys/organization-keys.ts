import type { OrganizationKey } from "#shared/api/identity/api-keys.js";
import type { Database } from "../../../db/connection/connect.js";
import { lockOrganizations } from "../../../db/connection/tenant.js";
import { notFound } from "../../../errors.js";
import type { OrgContext } from "../../../http/requests/request-context.js";
import { listScopedKeys, lockScopedKey } from "./organization-keys.queries.js";
import * as queries from "./api-keys.queries.js";
import { isFullAccess, organizationOf } from "./scopes.js";
import { presentKeys, auditKey } from "./present-key.js";

/**
 * Lists the keys that are scoped to the organization and can act in it, newest first. Keys with full
 * access are omitted: a user can be made a member without consent and must not expose keys by that.
 */
export async function listOrganizationKeys(
  db: Database,
  orgId: string,
  after: string | null,
  limit: number,
): Promise<OrganizationKey[]> {
  const found = await db.withSystem("list the keys that can act in an organization", (tx) =>
    listScopedKeys(tx, orgId, after, limit),
  );
  const keys = await presentKeys(
    db,
    found.map(({ key }) => redactForOrganization(orgId, key)),
  );
  return found.map(({ key, owner, agent_name }, index) => ({
    ...(keys[index] as (typeof keys)[number]),
    owner,
    agent_name,
    is_only_here: key.organization_id === orgId,
  }));
}

/** Removes scopes of other organizations and the last address, which concern the owner only. */
function redactForOrganization(orgId: string, key: queries.StoredKey): queries.StoredKey {
  if (key.organization_id === orgId) return key;
  return {
    ...key,
    description: null,
    scopes: key.scopes.filter((scope) => organizationOf(scope) === orgId),
    shut_out_of: [],
    last_used_ip: null,
    allowed_ips: null,
  };
}

/**
 * Revokes a key scoped to this organization only, and blocks any other key in it.
 * @throws AppError 404
 */
export async function removeFromOrganization(
  db: Database,
  context: OrgContext,
  keyId: string,
): Promise<void> {
  const { orgId } = context;
  await db.systemChange(context, async (tx, audit) => {
    await lockOrganizations(tx, [orgId]);
    await context.judge(tx);
    const key = await lockScopedKey(tx, orgId, keyId);
    if (!key) throw notFound();
    if (key.organization_id === orgId) {
      await queries.revokeKey(tx, keyId);
      await auditKey(tx, audit, { action: "api_key.revoked", key, before: key, after: null });
      return;
    }
    await queries.block(tx, keyId, orgId);
    audit(orgId, {
      action: "api_key.shut_out",
      target: {
        type: "api_key",
        id: key.id,
        name: isFullAccess(key.scopes) ? "full access" : key.name,
      },
      changes: {},
    });
  });
}
