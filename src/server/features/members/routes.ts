import type { Member, members } from "#shared/api/members.js";
import { cached } from "../../db/cache.js";
import type { Database } from "../../db/connect.js";
import { standingOfPath } from "../../http/authorize.js";
import type { Handlers } from "../../http/mount.js";
import { preparedJson } from "../../http/prepared-json.js";
import { listMembers } from "./repository.js";
import { addMember, changeRole, removeMember } from "./service.js";

/** Longer lists are read each time: one of them would take the place of hundreds. */
const longestKept = 500;

export function memberHandlers(db: Database): Handlers<typeof members> {
  const lists = cached<Member[]>({
    changes: db.changes,
    load: async (orgId) => {
      const list = await db.tenant(orgId, listMembers);
      const userIds = list.flatMap(({ user_id }) => user_id ?? []);
      return {
        value: preparedJson<Member>(JSON.stringify(list)),
        // Roles and agents are the organization's; people have their names from outside of it.
        sources:
          list.length > longestKept
            ? null
            : [`organization ${orgId}`, ...userIds.map((id) => `user ${id}` as const)],
      };
    },
    size: 1000,
  });

  return {
    add: (context, { body }) => addMember(context, db, body),
    list: async ({ orgId }) => (await lists(orgId)) ?? [],
    update: (context, { params, body }) => changeRole(context, params.member_id, body.role_id),
    remove: async (context, { params }) => {
      const standing = await standingOfPath(db, context.actor, "org_id", params.org_id);
      await removeMember(context, standing, db, params.member_id);
      return undefined;
    },
  };
}
