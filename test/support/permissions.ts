import type { Client } from "#shared/contract/client.js";
import type {
  HeldPermissions,
  PermissionExplanation,
} from "#shared/api/organizations/organizations.js";
import type { Permission } from "#shared/permissions.js";

/** Returns the caller's permissions in an organization. */
export async function permissionsOf(api: Client, orgId: string): Promise<HeldPermissions> {
  const { data } = await api.organizations.permissions({ params: { org_id: orgId } });
  return data as HeldPermissions;
}

/** Returns whether and why the caller has a permission there. */
export async function explanationOf(
  api: Client,
  orgId: string,
  check: Permission,
): Promise<PermissionExplanation> {
  const params = { org_id: orgId };
  const { data } = await api.organizations.permissions({ params, query: { check } });
  return data as PermissionExplanation;
}
