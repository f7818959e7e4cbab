import { nodes } from "#shared/api/nodes.js";
import { routesOf } from "../../http/register-routes.js";
import type { Feature } from "../feature.js";
import type { Services } from "../services.js";
import { nodeHandlers } from "./routes.js";

export function nodesFeature({ db }: Services): Feature {
  return { name: "nodes", routes: [routesOf(nodes, nodeHandlers(db))] };
}
