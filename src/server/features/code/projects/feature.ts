import { projects } from "#shared/api/code/projects.js";
import { upstreams } from "#shared/api/code/upstreams.js";
import { routesOf } from "../../../http/register-routes.js";
import { jobWorker, type Feature } from "../../feature.js";
import type { Services } from "../../services.js";
import { runRemoval } from "./delete-project.js";
import { runImport } from "./imports/import-project.js";
import { startPacking } from "./pack-projects.js";
import type { ProjectDeps } from "./project.js";
import { resumeProjects, unlockRepositories } from "./projects.js";
import { projectHandlers, upstreamHandlers } from "./routes.js";
import { runUpstream } from "./upstreams/use-upstream.js";

/** More than one, so that a slow upstream does not delay the others; one organization has two of them at most. */
const concurrentTransfers = 3;

export function projectsFeature(services: Services): Feature {
  const { config, db, jobs, lease, storage, workspaces, forges, publicUrl, log } = services;
  const { aloneAt, isAlone } = services;
  const deps: ProjectDeps = {
    db,
    jobs,
    storage,
    rules: config,
    secret: config.secret,
    workspaces,
    forges,
    publicUrl,
    log,
  };
  let packing: ReturnType<typeof startPacking> | undefined;
  return {
    name: "projects",
    routes: [
      routesOf(projects, projectHandlers(deps)),
      routesOf(upstreams, upstreamHandlers(deps)),
    ],
    jobs: [
      jobWorker(
        "import-project",
        (data, signal) => runImport(deps, data, signal),
        concurrentTransfers,
      ),
      jobWorker(
        "use-upstream",
        (data, signal) => runUpstream(deps, data, signal),
        concurrentTransfers,
      ),
      jobWorker("remove-project", (data) => runRemoval(deps, data), 2),
    ],
    recover: () => unlockRepositories(storage, { aloneAt, isAlone }),
    start: async () => {
      await resumeProjects(deps);
      packing = startPacking(deps, lease, log);
    },
    close: async () => packing?.stop(),
  };
}
