import type { WorkspaceDeps } from "../workspace.js";
import { mergeQueue } from "#shared/api/code/merge-requests.js";
import { notFound } from "../../../../errors.js";
import type { Handlers } from "../../../../http/register-routes.js";
import { byName, byTime, fromMemory, pagesOf } from "../../../../http/requests/pagination.js";
import { deleteCheck, setCheck } from "./check-definitions.js";
import * as checks from "./checks.queries.js";
import { approveRequest, cancelRequest, readRequest } from "./merge-requests.js";
import * as requests from "./merge-requests.queries.js";

export function mergeQueueHandlers(deps: WorkspaceDeps): Handlers<typeof mergeQueue> {
  const checkPages = pagesOf(mergeQueue.checks, byName);
  const openPages = pagesOf(mergeQueue.list, byName);
  const endedPages = pagesOf(mergeQueue.list, byTime);
  return {
    checks: (context, { params, query }) =>
      checkPages(context, query, {
        read: (after, limit) =>
          context.tx((tx) => checks.listChecks(tx, params.project_id, after?.[0] ?? "", limit)),
        keyOf: ({ name }) => [name],
      }),
    check: async (context, { params }) => {
      const { project_id, name } = params;
      const found = await context.tx((tx) => checks.findCheck(tx, project_id, name));
      if (!found) throw notFound();
      return found;
    },
    setCheck: (context, { params, body }) =>
      setCheck(deps, context, params.project_id, { name: params.name, ...body }),
    deleteCheck: async (context, { params }) => {
      await deleteCheck(context, params.project_id, params.name);
      return undefined;
    },
    list: async (context, { params: { project_id }, query }) => {
      // An agent sees only its own requests.
      const agentId = context.actor.agent?.id ?? null;
      if (query.status === "ended") {
        return endedPages(context, query, {
          read: (after, limit) =>
            context.tx((tx) => requests.listEndedRequests(tx, project_id, agentId, after, limit)),
          keyOf: ({ ended_at, id }) => [ended_at ?? "", id],
        });
      }
      const open = await context.tx((tx) => requests.listOpenRequests(tx, project_id, agentId));
      const orderOf = new Map(open.map(({ id }, index) => [id, index]));
      return openPages(context, query, {
        // After a request that has ended meanwhile, the list begins anew.
        read: fromMemory(
          open,
          ({ id }, [last]) => (orderOf.get(id) ?? 0) > (orderOf.get(last) ?? -1),
        ),
        keyOf: ({ id }) => [id],
      });
    },
    get: (context, { params }) => readRequest(context, params.merge_request_id),
    cancel: async (context, { params }) => {
      await cancelRequest(deps, context, params.merge_request_id);
      return undefined;
    },
    approve: (context, { params }) => approveRequest(deps, context, params.merge_request_id),
  };
}
