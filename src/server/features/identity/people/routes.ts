import { admin } from "#shared/api/operation/admin.js";
import type { Database } from "../../../db/connection/connect.js";
import { listInstallationEvents } from "../../../db/audit/installation-audit.js";
import type { Handlers } from "../../../http/register-routes.js";
import type { ActorContext } from "../../../http/requests/request-context.js";
import { byId, byNumber, pagesOf } from "../../../http/requests/pagination.js";
import { listUsers } from "./people.queries.js";
import { deleteUser } from "./delete-user.js";
import { exportUser } from "./export-user.js";
import * as manage from "./manage-user.js";
import { listOrganizationUsage, readInstallationUsage } from "./installation-usage.queries.js";

export function adminHandlers(db: Database, publicUrl: () => string): Handlers<typeof admin> {
  const contextOf = (context: ActorContext): manage.AdminContext => ({
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
    user: (_context, { params }) => read((tx) => manage.readUser(tx, { id: params.user_id })),
    disable: (context, { params }) =>
      manage.disableUser(contextOf(context), { id: params.user_id }),
    enable: (context, { params }) => manage.enableUser(contextOf(context), { id: params.user_id }),
    removeSecondFactor: (context, { params }) =>
      manage.removeSecondFactor(contextOf(context), { id: params.user_id }),
    signOut: (context, { params }) =>
      manage.signOutUser(contextOf(context), { id: params.user_id }),
    promote: (context, { params }) =>
      manage.promoteUser(contextOf(context), { id: params.user_id }),
    demote: (context, { params }) => manage.demoteUser(contextOf(context), { id: params.user_id }),
    resetPassword: (context, { params }) =>
      manage.resetUserPassword(contextOf(context), { id: params.user_id }),
    export: (context, { params }) => exportUser(contextOf(context), { id: params.user_id }),
    delete: async (context, { params }) => {
      await deleteUser(contextOf(context), { id: params.user_id });
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
