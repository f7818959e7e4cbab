import { type Member, members } from "#shared/api/organization/members.js";
import { cached } from "../../../db/cache/cache.js";
import { notFound } from "../../../errors.js";
import { resolvePathAccess } from "../../../access/authorize.js";
import type { Handlers } from "../../../http/register-routes.js";
import { byTime, pagesOf } from "../../../http/requests/pagination.js";
import { preparedJson } from "../../../http/fast-path/prepared-json.js";
import { findMember, listMembers } from "./members.queries.js";
import { addMember, changeRole, removeMember, type MemberDeps } from "./members.js";

/** The largest cached page. Longer lists are read from the database page by page. */
const MAX_CACHED_MEMBERS = 200;

interface WholeList {
  items: Member[];
  length: number;
}

export function memberHandlers(deps: MemberDeps): Handlers<typeof members> {
  const { db } = deps;
  const lists = cached<WholeList>({
    changes: db.changes,
    load: async (orgId) => {
      const list = await db.tenant(orgId, (tx) => listMembers(tx, null, MAX_CACHED_MEMBERS + 1));
      const userIds = list.flatMap(({ user_id }) => user_id ?? []);
      return {
        value: { items: preparedJson<Member>(JSON.stringify(list)), length: list.length },
        // Roles and agents belong to the organization; users' names do not.
        sources:
          list.length > MAX_CACHED_MEMBERS
            ? null
            : [`organization ${orgId}`, ...userIds.map((id) => `user ${id}` as const)],
      };
    },
    size: 1000,
  });
  const pages = pagesOf(members.list, byTime);

  return {
    add: (context, { body }) => addMember(deps, context, body),
    list: async (context, { query }) => {
      if (query.cursor === undefined) {
        const whole = await lists(context.orgId);
        if (whole && whole.length <= query.limit) return whole.items;
      }
      return pages(context, query, {
        read: (after, limit) => context.tx((tx) => listMembers(tx, after, limit)),
        keyOf: ({ joined_at, id }) => [joined_at, id],
      });
    },
    get: async ({ tx }, { params }) => {
      const member = await tx((db) => findMember(db, params.member_id));
      if (!member) throw notFound();
      return member;
    },
    update: (context, { params, body }) => changeRole(context, params.member_id, body.role_id),
    remove: async (context, { params }) => {
      const access = await resolvePathAccess(db, context.actor, "org_id", params.org_id);
      await removeMember(context, db, access.orgId, params.member_id);
      return undefined;
    },
  };
}
