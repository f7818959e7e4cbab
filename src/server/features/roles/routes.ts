import type { roles } from "#shared/api/roles.js";
import { permissions } from "#shared/permissions.js";
import type { Handlers } from "../../http/mount.js";
import { listRoles } from "./repository.js";

export function roleHandlers(): Handlers<typeof roles> {
  return {
    list: ({ tx }, { query }) => tx((db) => listRoles(db, query.include_system)),
    permissions: async () =>
      Object.entries(permissions).map(([name, description]) => ({ name, description })),
  };
}
