import { useQuery } from "@tanstack/react-query";
import { type Permission, permissions } from "#shared/permissions.js";
import { checkingReason, type DenyReason } from "./deny-reason.js";
import { organizationQuery, permissionsQuery } from "../api/queries/organization/organizations.js";

/** Reason why nothing can be changed in an archived organization. */
export const archivedReason = "The organization is archived";

/** An archived organization still allows reads and its restoration. */
function isAllowedArchived(permission: Permission): boolean {
  return permission.endsWith(":read") || permission === "org:archive";
}

function sentence(permission: Permission): string {
  const text = permissions[permission];
  return text.charAt(0).toLowerCase() + text.slice(1);
}

/**
 * Returns a function that gives the reason for a disabled control. The server enforces permissions;
 * this only saves the viewer a failed request.
 */
export function useDenyReason(orgId: string | undefined): DenyReason {
  const enabled = orgId !== undefined;
  const { data, isError } = useQuery({ ...permissionsQuery(orgId ?? ""), enabled });
  const { data: organization } = useQuery({ ...organizationQuery(orgId ?? ""), enabled });
  return (permission) => {
    if (organization?.is_active === false && !isAllowedArchived(permission)) return archivedReason;
    if (data === undefined) {
      // If permissions cannot be loaded, controls stay enabled: the server decides.
      return isError ? undefined : checkingReason;
    }
    if (data.effective_permissions.includes(permission)) return undefined;
    return `Your role (${data.role}) may not ${sentence(permission)} (${permission}).`;
  };
}
