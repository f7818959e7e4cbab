import { environments } from "#shared/api/execution/environments.js";
import { byId, pagesOf } from "../../../http/requests/pagination.js";
import type { Handlers } from "../../../http/register-routes.js";
import { buildNow, readEnvironment, setEnvironment, type EnvironmentDeps } from "./environment.js";
import { listBuilds } from "./environments.queries.js";

export function environmentHandlers(deps: EnvironmentDeps): Handlers<typeof environments> {
  const pages = pagesOf(environments.builds, byId);
  return {
    get: ({ tx }, { params }) => tx((db) => readEnvironment(db, params.project_id)),
    set: (context, { params, body }) => setEnvironment(deps, context, params.project_id, body),
    builds: (context, { params, query }) =>
      pages(context, query, {
        read: (after, limit) =>
          context.tx((tx) => listBuilds(tx, params.project_id, after?.[0] ?? null, limit)),
        keyOf: ({ id }) => [id],
      }),
    build: (context, { params }) => buildNow(deps, context, params.project_id),
  };
}
