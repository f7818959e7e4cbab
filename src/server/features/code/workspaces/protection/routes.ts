import type { WorkspaceDeps } from "../workspace.js";
import { protectionChanges } from "#shared/api/code/protection-changes.js";
import type { Handlers } from "../../../../http/register-routes.js";
import { byId, pagesOf } from "../../../../http/requests/pagination.js";
import { approveChange, proposeChange, readChange, withdrawChange } from "./protection-changes.js";
import { listChanges } from "./protection-changes.queries.js";

export function protectionChangeHandlers(deps: WorkspaceDeps): Handlers<typeof protectionChanges> {
  const pages = pagesOf(protectionChanges.list, byId);
  return {
    list: (context, { params, query }) =>
      pages(context, query, {
        read: (after, limit) =>
          context.tx((tx) =>
            listChanges(tx, context.orgId, params.project_id, after?.[0] ?? null, limit),
          ),
        keyOf: ({ id }) => [id],
      }),
    propose: (context, { params, body }) => proposeChange(deps, context, params.project_id, body),
    get: (context, { params }) => readChange(context, params.protection_change_id),
    approve: (context, { params }) => approveChange(deps, context, params.protection_change_id),
    withdraw: async (context, { params }) => {
      await withdrawChange(context, params.protection_change_id);
      return undefined;
    },
  };
}
