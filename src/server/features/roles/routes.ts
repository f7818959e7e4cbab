import { z } from "zod";
import { roles } from "#shared/api/roles.js";
import { type Permission, permissionNames, permissions } from "#shared/permissions.js";
import type { Handlers } from "../../http/register-routes.js";
import { byId, fromMemory, pagesOf } from "../../http/pagination.js";
import { listRoles } from "./roles.queries.js";
import { createRole, deleteRole, readRole, updateRole } from "./roles.js";

export function roleHandlers(): Handlers<typeof roles> {
  const pages = pagesOf(roles.list, byId);
  const permissionPages = pagesOf(roles.permissions, z.tuple([z.enum(permissionNames)]));
  return {
    create: (context, { body }) => createRole(context, body),
    get: ({ tx }, { params }) => tx((db) => readRole(db, params.role_id)),
    update: (context, { params, body }) => updateRole(context, params.role_id, body),
    remove: async (context, { params }) => {
      await deleteRole(context, params.role_id);
      return undefined;
    },
    list: (context, { query }) =>
      pages(context, query, {
        read: (after, limit) =>
          context.tx((db) => listRoles(db, query.include_system, after?.[0] ?? null, limit)),
        keyOf: ({ id }) => [id],
      }),
    permissions: async (context, { query }) => {
      const names = await permissionPages(context, query, {
        read: fromMemory(
          permissionNames,
          (name, [after]) => permissionNames.indexOf(name) > permissionNames.indexOf(after),
        ),
        keyOf: (name: Permission) => [name],
      });
      return names.map((name) => ({ name, description: permissions[name] }));
    },
  };
}
