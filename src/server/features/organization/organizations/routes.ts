import {
  type Organization,
  type OrganizationItem,
  organizations,
} from "#shared/api/organization/organizations.js";
import { grants, patternsCovering, permissionNames } from "#shared/permissions.js";
import { batched } from "../../../db/locks/batch.js";
import { cached, type Sourced } from "../../../db/cache/cache.js";
import type { Database } from "../../../db/connection/connect.js";
import { notFound } from "../../../errors.js";
import { organizationsWith, requireFullAccess } from "../../../access/authorize.js";
import { allows, explain, rolePatterns, scopesIn } from "../../../access/access.js";
import type { Handlers } from "../../../http/register-routes.js";
import { preparedJson } from "../../../http/fast-path/prepared-json.js";
import { byId, fromMemory, pagesOf } from "../../../http/requests/pagination.js";
import * as queries from "./organizations.queries.js";
import {
  archiveOrganization,
  checkSlug,
  createOrganization,
  restoreOrganization,
  transferOrganization,
  updateOrganization,
  type Ceilings,
} from "./organizations.js";

export function organizationHandlers(
  db: Database,
  ceilings: Ceilings,
): Handlers<typeof organizations> {
  const readable = patternsCovering("org:read");
  // The default list of a session or a key with full access, without parameters.
  const defaultList = cached<DefaultList>({
    changes: db.changes,
    load: batched(async (userIds) => {
      const lists = await queries.listOrganizationTexts(db.systemPool, userIds, readable);
      return new Map([...lists].map(([userId, list]) => [userId, sourcedList(list)]));
    }),
  });

  const byOrganization = cached<Organization>({
    changes: db.changes,
    load: async (orgId) => {
      const found = await db.tenant(orgId, (tx) => queries.findOrganization(tx, orgId));
      return found && { value: Object.freeze(found), sources: [`organization ${orgId}` as const] };
    },
  });

  const pages = pagesOf(organizations.list, byId);
  return {
    create: async (context, { body }) => {
      requireFullAccess(context.actor);
      return createOrganization(db, context, body, ceilings);
    },
    list: async (context, { query }) => {
      const { actor } = context;
      actor.key?.used(null, "org:read");
      const fullAccess =
        !actor.key ||
        (!actor.agent && actor.key.scopes.includes("*:*") && actor.key.lockedOutOf.length === 0);
      if (fullAccess && query.cursor === undefined && query.include_archived !== true) {
        const usual = await defaultList(actor.userId);
        if (!usual) return [];
        if (usual.length <= query.limit) return usual.items;
      }
      const subject = actor.agent?.id ?? actor.userId;
      const lists = await queries.listOrganizations(db.systemPool, [subject]);
      const ofAgent = actor.agent && (await organizationsWith(db, actor, "org:read", undefined));
      const items = (lists.get(subject) ?? [])
        .filter(
          ({ item, archived, patterns }) =>
            (query.include_archived === true || !archived) &&
            grants(patterns, "org:read") &&
            grants(scopesIn(actor, item.id), "org:read") &&
            (!ofAgent || ofAgent.includes(item.id)),
        )
        .map(({ item }) => item);
      return pages(context, query, {
        read: fromMemory(items, ({ id }, [after]) => id > after),
        keyOf: ({ id }) => [id],
      });
    },
    slugAvailability: async ({ actor }, { query: { slug, organization_id } }) => {
      // Only callers who could take a slug may ask which are free.
      if (organization_id === undefined) requireFullAccess(actor);
      else await organizationsWith(db, actor, "org:write", organization_id);
      return checkSlug(db, actor.userId, slug, organization_id);
    },
    get: async ({ orgId }) => {
      const organization = await byOrganization(orgId);
      if (!organization) throw notFound();
      return organization;
    },
    update: (context, { body }) => updateOrganization(context, db, body, ceilings),
    archive: async (context) => {
      await archiveOrganization(context, db);
      return undefined;
    },
    restore: (context) => restoreOrganization(context),
    transfer: (context, { body }) => transferOrganization(context, body.user_id),
    permissions: async ({ access }, { query }) =>
      query.check === undefined
        ? {
            role: access.role,
            permissions: rolePatterns(access).toSorted(),
            effective_permissions: permissionNames.filter((name) => allows(access, name)),
          }
        : explain(access, query.check),
  };
}

/** A serialized list with the number of its items. */
interface DefaultList {
  items: OrganizationItem[];
  length: number;
}

function sourcedList(list: queries.ListText): Sourced<DefaultList> {
  return {
    value: { items: preparedJson(list.text), length: list.org_ids.length },
    // The hours of a running agent grow with time.
    sources: list.is_running
      ? null
      : [
          ...[list.user_id, ...list.owner_ids].map((id) => `user ${id}` as const),
          // Restoring one or changing a role may add it to the list.
          ...list.member_of.map((id) => `organization ${id}` as const),
          ...list.org_ids.map((id) => `runs of ${id}` as const),
        ],
    until: list.period_end.getTime(),
  };
}
