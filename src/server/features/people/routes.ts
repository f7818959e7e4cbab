import { admin } from "#shared/api/admin.js";
import type { Database } from "../../db/connect.js";
import { listInstallationEvents } from "../../db/installation-audit.js";
import type { ActorContext, Handlers } from "../../http/mount.js";
import { byId, byNumber, pagesOf } from "../../http/pagination.js";
import { listUsers } from "./people.queries.js";
import * as service from "./service.js";
import { listOrganizationUsage, readInstallationUsage } from "./usage.queries.js";

export function adminHandlers(db: Database, publicUrl: () => string): Handlers<typeof admin> {
  const contextOf = (context: ActorContext): service.AdminContext => ({
    origin: {
      actor: { userId: context.actor.userId },
      ip: context.ip,
      requestId: context.requestId,
    },
    change: (work) => db.systemChange(context, work),
    verificationKey: db.verificationKey,
    publicUrl: publicUrl(),
  });
  const users = pagesOf(admin.users, byId);
  const organizations = pagesOf(admin.organizations, byId);
  const events = pagesOf(admin.auditEvents, byNumber);
  const read = <Result>(work: Parameters<typeof db.withSystem<Result>>[1]): Promise<Result> =>
    db.withSystem("what super admins see", work);
  return {
    users: (context, { query }) =>
      users(context, query, {
        read: (after, limit) => read((tx) => listUsers(tx, query, after?.[0] ?? null, limit)),
        keyOf: ({ id }) => [id],
      }),
    user: (_context, { params }) => read((tx) => service.readUser(tx, { id: params.user_id })),
    disable: (context, { params }) =>
      service.disableUser(contextOf(context), { id: params.user_id }),
    enable: (context, { params }) => service.enableUser(contextOf(context), { id: params.user_id }),
    removeSecondFactor: (context, { params }) =>
      service.removeSecondFactor(contextOf(context), { id: params.user_id }),
    signOut: (context, { params }) =>
      service.signOutUser(contextOf(context), { id: params.user_id }),
    promote: (context, { params }) =>
      service.promoteUser(contextOf(context), { id: params.user_id }),
    demote: (context, { params }) => service.demoteUser(contextOf(context), { id: params.user_id }),
    resetPassword: (context, { params }) =>
      service.resetUserPassword(contextOf(context), { id: params.user_id }),
    export: (context, { params }) => service.exportUser(contextOf(context), { id: params.user_id }),
    delete: async (context, { params }) => {
      await service.deleteUser(contextOf(context), { id: params.user_id });
      return undefined;
    },
    usage: () => read(readInstallationUsage),
    organizations: (context, { query }) =>
      organizations(context, query, {
        read: (after, limit) => read((tx) => listOrganizationUsage(tx, after?.[0] ?? null, limit)),
        keyOf: ({ id }) => [id],
      }),
    auditEvents: (context, { query }) =>
      events(context, query, {
        read: (after, limit) => read((tx) => listInstallationEvents(tx, after?.[0] ?? null, limit)),
        keyOf: ({ sequence }) => [sequence],
      }),
  };
}
