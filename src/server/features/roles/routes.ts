import type { roles } from "#shared/api/roles.js";
import { permissions } from "#shared/permissions.js";
import type { Handlers } from "../../http/mount.js";
import { listRoles } from "./repository.js";
import { createRole, deleteRole, readRole, updateRole } from "./service.js";

export function roleHandlers(): Handlers<typeof roles> {
  return {
    create: (context, { body }) => createRole(context, body),
    get: ({ tx }, { params }) => tx((db) => readRole(db, params.role_id)),
    update: (context, { params, body }) => updateRole(context, params.role_id, body),
    remove: async (context, { params }) => {
      await deleteRole(context, params.role_id);
      return undefined;
    },
    list: ({ tx }, { query }) => tx((db) => listRoles(db, query.include_system)),
    permissions: async () =>
      Object.entries(permissions).map(([name, description]) => ({ name, description })),
  };
}
