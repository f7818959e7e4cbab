import type { graph } from "#shared/api/code/graph.js";
import type { Handlers } from "../../../http/register-routes.js";
import { readGraph, type GraphDeps } from "./read-graph.js";

export function graphHandlers(deps: GraphDeps): Handlers<typeof graph> {
  return {
    get: (context, { params, query }) => readGraph(deps, context, params.project_id, query.limit),
  };
}
