import { z } from "zod";
import { roles } from "#shared/api/organization/roles.js";
import { permissionNames, permissions } from "#shared/permissions.js";
import type { Handlers } from "../../../http/register-routes.js";
import { byId, fromMemory, pagesOf } from "../../../http/requests/pagination.js";
import { listRoles } from "./roles.queries.js";
import { createRole, deleteRole, readRole, updateRole } from "./roles.js";

const described = permissionNames.map((name) => ({ name, description: permissions[name] }));

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
    permissions: (context, { query }) =>
      permissionPages(context, query, {
        read: fromMemory(
          described,
          ({ name }, [after]) => permissionNames.indexOf(name) > permissionNames.indexOf(after),
        ),
        keyOf: ({ name }: (typeof described)[number]) => [name],
      }),
  };
}
