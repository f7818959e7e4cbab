import { opinions } from "#shared/api/work/opinions.js";
import type { Handlers } from "../../../../http/register-routes.js";
import { byId, pagesOf } from "../../../../http/requests/pagination.js";
import type { RunDeps } from "../../../execution/runs/start.js";
import { askOpinion, cancelOpinion, dismissOpinion, retryOpinion } from "./ask-opinion.js";
import { publishOpinion } from "./publish-opinion.js";
import { readOpinion, readOpinions } from "./read-opinions.js";

export function opinionHandlers(deps: RunDeps): Handlers<typeof opinions> {
  const pages = pagesOf(opinions.list, byId);
  return {
    list: (context, { params, query }) =>
      pages(context, query, {
        read: (after, limit) =>
          readOpinions(deps, context, params.task_id, after?.[0] ?? null, limit),
        keyOf: ({ id }) => [id] as const,
      }),
    ask: (context, { params, body }) => askOpinion(deps, context, params.task_id, body),
    get: (context, { params }) => readOpinion(deps, context, params.opinion_id),
    retry: (context, { params }) => retryOpinion(deps, context, params.opinion_id),
    cancel: (context, { params }) => cancelOpinion(deps, context, params.opinion_id),
    dismiss: (context, { params, body }) =>
      dismissOpinion(deps, context, params.opinion_id, body.reason),
    publish: (context, { params, body }) => publishOpinion(deps, context, params.opinion_id, body),
  };
}
