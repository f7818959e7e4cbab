import { approvingPermissions, type Permission } from "#shared/permissions.js";

/** Returns why the viewer lacks a permission; undefined if they have it. */
export type DenyReason = (permission: Permission) => string | undefined;

/** Reason while permissions load; too short-lived to be shown as a hint. */
export const checkingReason = "Checking what you may do here…";

/** Returns why the viewer may not approve; undefined if one of the permissions that approve is theirs. */
export const approvalRefusal = (refusal: DenyReason): string | undefined => {
  const reasons = approvingPermissions.map(refusal);
  return reasons.includes(undefined) ? undefined : reasons[0];
};
