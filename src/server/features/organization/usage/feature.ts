import { usage } from "#shared/api/organization/usage.js";
import { routesOf } from "../../../http/register-routes.js";
import type { Feature } from "../../feature.js";
import type { Services } from "../../services.js";
import { watchLimits } from "./limits/watch-limits.js";
import { usageHandlers } from "./routes.js";

export function usageFeature({ db, log, workspaces, otherNodes }: Services): Feature {
  let watch: ReturnType<typeof watchLimits> | undefined;
  return {
    name: "usage",
    routes: [routesOf(usage, usageHandlers(workspaces, otherNodes))],
    start: () => {
      watch = watchLimits(db, log);
    },
    stop: () => watch?.stop(),
  };
}
