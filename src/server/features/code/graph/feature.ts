import { graph } from "#shared/api/code/graph.js";
import { routesOf } from "../../../http/register-routes.js";
import type { Feature } from "../../feature.js";
import type { Services } from "../../services.js";
import { graphHandlers } from "./routes.js";

export function graphFeature({ workspaces }: Services): Feature {
  return { name: "graph", routes: [routesOf(graph, graphHandlers(workspaces))] };
}
