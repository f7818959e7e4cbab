import { presets } from "#shared/api/agents/presets.js";
import { runs } from "#shared/api/agents/runs.js";
import { sandbox } from "#shared/api/agents/sandbox.js";
import { agentSessions } from "#shared/api/agents/sessions.js";
import { openCallbackListener } from "../../http/server/callback-listener.js";
import { routesOf } from "../../http/register-routes.js";
import { jobWorker, type Feature } from "../feature.js";
import { deleteOldBuilds } from "../environments/index.js";
import { deleteOldChecks } from "../workspaces/index.js";
import type { Services } from "../services.js";
import { deleteExpiredLogs } from "./logs/delete-expired-logs.js";
import { removeUnusedFolders } from "./checks/check-folder.js";
import { startBuilds } from "./builds/start-builds.js";
import { openCluster } from "./cluster/open-cluster.js";
import { startChecks } from "./checks/start-checks.js";
import { createLogStorage } from "./stored-logs/log-storage.js";
import { syncLogs } from "./stored-logs/sync-logs.js";
import { watchLogs } from "./stored-logs/watch-logs.js";
import { createRuns } from "./create-runs.js";
import { openClusterEgress, type ClusterEgress } from "./egress/cluster-egress.js";
import { startQueuedRuns } from "./queue/run-queue.js";
import { presetHandlers, runHandlers, sandboxHandlers } from "./routes.js";
import { openRunnerProtocol } from "./runner-protocol/open-protocol.js";
import { sessionHandlers } from "./sessions/routes.js";

export function runsFeature(services: Services): Feature {
  const { config, credentials, httpServer, log, publicUrl, storage } = services;
  const logStorage = createLogStorage({ ...services, settings: config });
  const movedLogs = watchLogs(logStorage, config.runLogDays, services.isAlone);
  const ownRuns = createRuns({
    ...services,
    settings: config,
    logStorage,
    openCallback: (runId) => openCallbackListener(httpServer, runId),
  });
  const runnerProtocol = openRunnerProtocol(services);
  const cluster = openCluster(services);
  let clusterEgress: ClusterEgress | null = null;
  return {
    name: "runs",
    routes: [
      ...runnerProtocol.routes,
      routesOf(runs, runHandlers(ownRuns.deps, credentials, publicUrl)),
      routesOf(sandbox, sandboxHandlers(ownRuns.deps)),
      routesOf(presets, presetHandlers(ownRuns.deps)),
      routesOf(agentSessions, sessionHandlers(ownRuns.deps, credentials, publicUrl)),
    ],
    jobs: [
      jobWorker("start-queued-runs", (data) => startQueuedRuns(ownRuns.deps, data)),
      jobWorker("sync-logs", (_data, signal) => syncLogs(logStorage, signal)),
      jobWorker("start-checks", async () => {
        try {
          await startChecks(ownRuns.deps);
        } finally {
          await startBuilds(ownRuns.deps);
        }
      }),
    ],
    recover: () => ownRuns.recover(),
    start: async () => {
      const { host, egressPort: port } = config;
      if (port !== null) {
        clusterEgress = await openClusterEgress({ ...services, settings: config }, { host, port });
        log.info({ host, port: clusterEgress.port }, "the egress proxy of pods listens");
      }
      ownRuns.watch();
      await Promise.all([movedLogs.start(), cluster.start()]);
    },
    hourly: () =>
      Promise.all([
        deleteExpiredLogs(storage, config.runLogDays),
        movedLogs.hourly(),
        removeUnusedFolders(ownRuns.deps),
        services.db.withSystem("delete old builds", (tx) => deleteOldBuilds(tx, config.runLogDays)),
        // A result without its log says little.
        services.db.withSystem("delete old results of checks", (tx) =>
          deleteOldChecks(tx, config.runLogDays),
        ),
      ]),
    drain: () => ownRuns.end(config.shutdownRuns),
    endStreams: async () => {
      runnerProtocol.endStreams();
      await Promise.all([ownRuns.endStreams(), clusterEgress?.close()]);
    },
    stop: async () => {
      await cluster.stop();
      await movedLogs.stop();
      await ownRuns.close();
    },
    close: async () => logStorage.objects?.close(),
  };
}
