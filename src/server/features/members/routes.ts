import type { members } from "#shared/api/members.js";
import type { Database } from "../../db/connect.js";
import { standingOfPath } from "../../http/authorize.js";
import type { Handlers } from "../../http/mount.js";
import { listMembers } from "./repository.js";
import { addMember, changeRole, removeMember } from "./service.js";

export function memberHandlers(db: Database): Handlers<typeof members> {
  return {
    add: (context, { body }) => addMember(context, db, body),
    list: ({ tx }) => tx(listMembers),
    update: (context, { params, body }) => changeRole(context, params.member_id, body.role_id),
    remove: async (context, { params }) => {
      const standing = await standingOfPath(db, context.actor, "org_id", params.org_id);
      await removeMember(context, standing, db, params.member_id);
      return undefined;
    },
  };
}
