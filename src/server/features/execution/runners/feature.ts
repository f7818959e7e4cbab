import { runners, runnerStatuses } from "#shared/api/execution/runners.js";
import { routesOf } from "../../../http/register-routes.js";
import { valuesOf, withZeros } from "../../../metrics/database-gauges.js";
import type { Feature } from "../../feature.js";
import type { Services } from "../../services.js";
import { runnerHandlers } from "./routes.js";
import { runnersByStatus } from "./runners.queries.js";

export function runnersFeature({ db }: Services): Feature {
  return {
    name: "runners",
    routes: [routesOf(runners, runnerHandlers(db))],
    gauges: [
      {
        name: "omoi_runners",
        help: "Registered runners, and the cluster, by status.",
        labels: ["status"],
        query: async (tx) => withZeros(runnerStatuses, await valuesOf(tx, runnersByStatus)),
      },
    ],
  };
}
