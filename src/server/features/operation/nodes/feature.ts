import { nodes, nodeStatuses } from "#shared/api/operation/nodes.js";
import { routesOf } from "../../../http/register-routes.js";
import { valuesOf, withZeros } from "../../../metrics/database-gauges.js";
import type { Feature } from "../../feature.js";
import type { Services } from "../../services.js";
import { nodesByStatus } from "./cluster-nodes.queries.js";
import { nodeHandlers } from "./routes.js";

export function nodesFeature({ db }: Services): Feature {
  return {
    name: "nodes",
    routes: [routesOf(nodes, nodeHandlers(db))],
    gauges: [
      {
        name: "omoi_nodes",
        help: "Servers by status.",
        labels: ["status"],
        query: async (tx) => withZeros(nodeStatuses, await valuesOf(tx, nodesByStatus)),
      },
    ],
  };
}
