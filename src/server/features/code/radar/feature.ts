import { radar } from "#shared/api/code/radar.js";
import { cachedChangedPaths } from "#git/diff/changed-paths.js";
import { routesOf } from "../../../http/register-routes.js";
import { jobWorker, type Feature } from "../../feature.js";
import type { Services } from "../../services.js";
import { startRadar } from "./radar.js";
import { radarHandlers } from "./routes.js";
import { scanProject, type ScanDeps } from "./scan-project.js";

/** Maximum number of paths kept in memory between scans. */
const rememberedPaths = 200_000;

export function radarFeature({ db, storage, jobs, workspaces, log }: Services): Feature {
  const { dataProcesses } = workspaces;
  const changedPaths = cachedChangedPaths(rememberedPaths);
  const deps: ScanDeps = { db, storage, dataProcesses, changedPaths };
  let watching: ReturnType<typeof startRadar> | undefined;
  return {
    name: "radar",
    routes: [routesOf(radar, radarHandlers(deps))],
    jobs: [jobWorker("scan-project", (data, signal) => scanProject(deps, data, signal), 2)],
    start: () => {
      watching = startRadar(deps, jobs, log);
    },
    stop: () => watching?.stop(),
  };
}
