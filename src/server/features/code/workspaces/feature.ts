import { mergeQueue } from "#shared/api/code/merge-requests.js";
import { protectionChanges } from "#shared/api/code/protection-changes.js";
import { previews } from "#shared/api/code/previews.js";
import { workspaces } from "#shared/api/code/workspaces.js";
import { closeAll } from "../../../close-all.js";
import { routesOf } from "../../../http/register-routes.js";
import { jobWorker, type Feature } from "../../feature.js";
import type { Services } from "../../services.js";
import { expireArchives } from "./archives/expire-archives.js";
import { clearMergeLeases } from "./merges/merge-lease.js";
import { releaseFolders, removeUnusedLayers, restoreFolders } from "./open-driver.js";
import { advanceQueue } from "./queue/advance-queue.js";
import { protectionChangeHandlers } from "./protection/routes.js";
import { mergeQueueHandlers } from "./queue/routes.js";
import { previewHandlers, workspaceHandlers } from "./routes.js";
import { recoverWorkspaces } from "./workspaces.js";

export function workspacesFeature(services: Services): Feature {
  const { workspaces: deps, docker, isAlone, log } = services;
  const periodic: { stop(): Promise<void> }[] = [];
  return {
    name: "workspaces",
    routes: [
      routesOf(workspaces, workspaceHandlers(deps, docker.report)),
      routesOf(previews, previewHandlers(deps)),
      routesOf(mergeQueue, mergeQueueHandlers(deps)),
      routesOf(protectionChanges, protectionChangeHandlers(deps)),
    ],
    jobs: [jobWorker("advance-merge-queue", (queue) => advanceQueue(deps, queue), 2)],
    recover: async () => {
      await recoverWorkspaces(deps, log);
      await clearMergeLeases(deps.db, isAlone);
    },
    start: () => {
      // In the background: mounting a thousand folders would delay the start too long.
      periodic.push(restoreFolders(deps, log, isAlone));
    },
    endStreams: () => deps.dataProcesses.stop(),
    hourly: () => Promise.all([removeUnusedLayers(deps, log), expireArchives(deps, log)]),
    close: () =>
      closeAll([
        ...periodic.map((work) => () => work.stop()),
        // The folders stay mounted while another process serves the data folder.
        () => isAlone && releaseFolders(deps, log),
      ]),
  };
}
