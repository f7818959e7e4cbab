import { useQuery } from "@tanstack/react-query";
import { type Permission, permissions } from "#shared/permissions.js";
import { organizationQuery, permissionsQuery } from "../api/queries/organizations.js";

/** Why the viewer may not do what needs the permission; undefined where he may. */
export type DenyReason = (permission: Permission) => string | undefined;

/** Said until the answer is there; too short-lived to be shown as a hint. */
export const checking = "Checking what you may do here…";

/** Why nothing can be changed in an archived organization. */
export const archivedReason = "The organization is archived";

/** What an archived organization still allows: reading, and being restored. */
function isAllowedArchived(permission: Permission): boolean {
  return permission.endsWith(":read") || permission === "org:archive";
}

function sentence(permission: Permission): string {
  const text = permissions[permission];
  return text.charAt(0).toLowerCase() + text.slice(1);
}

/**
 * What the viewer may not do in the organization, in words for the control that is off. The server
 * decides again; this only spares the viewer the refusal.
 */
export function useDenyReason(orgId: string | undefined): DenyReason {
  const enabled = orgId !== undefined;
  const { data, isError } = useQuery({ ...permissionsQuery(orgId ?? ""), enabled });
  const { data: organization } = useQuery({ ...organizationQuery(orgId ?? ""), enabled });
  return (permission) => {
    if (organization?.is_active === false && !isAllowedArchived(permission)) return archivedReason;
    if (data === undefined) {
      // Unknown is not forbidden: the server will say.
      return isError ? undefined : checking;
    }
    if (data.effective_permissions.includes(permission)) return undefined;
    return `Your role (${data.role}) may not ${sentence(permission)} (${permission}).`;
  };
}
