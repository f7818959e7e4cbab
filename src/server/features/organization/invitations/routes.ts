import { invitations } from "#shared/api/organization/invitations.js";
import { notFound } from "../../../errors.js";
import { Answer, noStore } from "../../../http/answers/answer.js";
import type { Handlers } from "../../../http/register-routes.js";
import { byId, pagesOf } from "../../../http/requests/pagination.js";
import { findInvitation, listInvitations } from "./invitations.queries.js";
import { accept, invite, readOffer, resend, revoke, type InvitationDeps } from "./invitations.js";

export function invitationHandlers(deps: InvitationDeps): Handlers<typeof invitations> {
  const pages = pagesOf(invitations.list, byId);
  return {
    create: (context, { body }) => invite(deps, context, body),
    list: (context, { query }) =>
      pages(context, query, {
        read: (after, limit) => context.tx((db) => listInvitations(db, after?.[0] ?? null, limit)),
        keyOf: ({ id }) => [id],
      }),
    read: async ({ tx }, { params }) => {
      const invitation = await tx((db) => findInvitation(db, params.invitation_id));
      if (!invitation) throw notFound();
      return invitation;
    },
    revoke: async (context, { params }) => {
      await revoke(context, params.invitation_id);
      return undefined;
    },
    resend: (context, { params }) => resend(deps, context, params.invitation_id),
    get: async (_context, { params }) => new Answer(await readOffer(deps, params.token), noStore),
    accept: (context, { params }) => accept(deps, context, params.token),
  };
}
