import { tasks } from "#shared/api/work/tasks.js";
import { routesOf } from "../../../http/register-routes.js";
import type { Feature } from "../../feature.js";
import type { Services } from "../../services.js";
import { taskHandlers } from "./routes.js";
import { readUnstarted, startTaskWatch } from "./watch-tasks.js";

export function tasksFeature(services: Services): Feature {
  const { deps } = services.ownRuns;
  let watch: ReturnType<typeof startTaskWatch> | undefined;
  return {
    name: "tasks",
    routes: [routesOf(tasks, taskHandlers(deps, services))],
    start: async () => {
      // Read before requests make attempts of their own.
      watch = startTaskWatch(deps, await readUnstarted(deps));
    },
    stop: async () => watch?.stop(),
  };
}
