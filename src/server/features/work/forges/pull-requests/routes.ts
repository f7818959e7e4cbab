import { pullRequests, type PullRequest } from "#shared/api/work/pull-requests.js";
import { byId, pagesOf } from "../../../../http/requests/pagination.js";
import type { Handlers } from "../../../../http/register-routes.js";
import type { PullRequestDeps } from "./advance-pull-request.js";
import * as actions from "./change-pull-request.js";
import { openPullRequest, readPullRequest } from "./open-pull-request.js";
import { listPullRequests } from "./pull-requests.queries.js";

export function pullRequestHandlers(deps: PullRequestDeps): Handlers<typeof pullRequests> {
  const pages = pagesOf(pullRequests.list, byId);
  return {
    open: (context, { params, body }) => openPullRequest(deps, context, params.task_id, body),
    list: (context, { params, query }) =>
      pages(context, query, {
        read: (before, limit) => {
          const agentId = context.actor.agent?.id ?? null;
          const scope = { projectId: params.project_id, agentId, state: query.state ?? null };
          return context.tx((tx) => listPullRequests(tx, scope, before?.[0] ?? null, limit));
        },
        keyOf: ({ id }: PullRequest) => [id],
      }),
    get: (context, { params }) => readPullRequest(context, params.pull_request_id),
    refresh: (context, { params }) =>
      actions.refreshPullRequest(deps, context, params.pull_request_id),
    update: (context, { params, body }) =>
      actions.updatePullRequest(deps, context, params.pull_request_id, body),
    ready: (context, { params }) => actions.markReady(deps, context, params.pull_request_id),
    merge: (context, { params, body }) =>
      actions.mergePullRequest(deps, context, params.pull_request_id, body?.method ?? "merge"),
    close: (context, { params }) => actions.closePullRequest(deps, context, params.pull_request_id),
  };
}
