import type { invitations } from "#shared/api/invitations.js";
import type { Handlers } from "../../http/mount.js";
import { decodeCursor, pageOf } from "../../http/pagination.js";
import { listInvitations } from "./repository.js";
import { accept, invite, offerOf, resend, revoke, type InvitationDeps } from "./service.js";

export function invitationHandlers(deps: InvitationDeps): Handlers<typeof invitations> {
  return {
    create: (context, { body }) => {
      context.reply.header("cache-control", "no-store");
      return invite(deps, context, body);
    },
    list: async ({ tx, request, reply }, { query: { limit, cursor } }) => {
      const before = cursor === undefined ? null : (decodeCursor(cursor, 1)[0] as string);
      const rows = await tx((db) => listInvitations(db, before, limit + 1));
      return pageOf(rows, limit, (last) => [last.id], request, reply);
    },
    revoke: async (context, { params }) => {
      await revoke(context, params.invitation_id);
      return undefined;
    },
    resend: (context, { params }) => {
      context.reply.header("cache-control", "no-store");
      return resend(deps, context, params.invitation_id);
    },
    get: ({ reply }, { params }) => {
      reply.header("cache-control", "no-store");
      return offerOf(deps, params.token);
    },
    accept: (context, { params }) => accept(deps, context, params.token),
  };
}
