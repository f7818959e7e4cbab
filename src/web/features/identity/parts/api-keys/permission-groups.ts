import type { Permission } from "#shared/permissions.js";

const resources = [
  { prefix: "org:", title: "Organization" },
  { prefix: "project:", title: "Projects" },
  { prefix: "agent:", title: "Agents" },
] as const;

interface PermissionGroup {
  title: string;
  permissions: readonly Permission[];
}

/** Groups permissions by resource, without empty groups. */
export function resourceGroups(permissions: readonly Permission[]): PermissionGroup[] {
  return resources
    .map(({ prefix, title }) => ({
      title,
      permissions: permissions.filter((permission) => permission.startsWith(prefix)),
    }))
    .filter((group) => group.permissions.length > 0);
}
