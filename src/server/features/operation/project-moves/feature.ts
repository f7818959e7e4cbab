import { projectMoves } from "#shared/api/operation/project-moves.js";
import { routesOf } from "../../../http/register-routes.js";
import type { Feature } from "../../feature.js";
import type { Services } from "../../services.js";
import { recoverWorkspaces, restoreFolders } from "../../code/workspaces/index.js";
import { followMoves } from "./follow-moves.js";
import { moveHandlers } from "./routes.js";
import { moveRoutes } from "./serve-files.js";
import { recoverArrivals } from "./recover-arrivals.js";

export function projectMovesFeature(services: Services): Feature {
  const { cluster, config, db, log, workspaces } = services;
  const { dataDir } = config;
  const routes = [routesOf(projectMoves, moveHandlers(db))];
  if (cluster === null) return { name: "project moves", routes };
  const deps = { db, cluster, dataDir, log, frozen: new Set<string>() };
  let following: ReturnType<typeof followMoves> | undefined;
  return {
    name: "project moves",
    routes: [...routes, moveRoutes(deps)],
    recover: () => recoverArrivals(deps),
    start: () => {
      following = followMoves({
        ...deps,
        mountFolders: () => restoreFolders(workspaces, log, false).done,
        recover: () => recoverWorkspaces(workspaces, log),
      });
    },
    stop: () => following?.stop(),
  };
}
