import { privateHostRule } from "#shared/node/refused-address.js";
import { presets } from "#shared/api/execution/presets.js";
import { runs } from "#shared/api/execution/runs.js";
import { sandbox } from "#shared/api/execution/sandbox.js";
import { agentSessions } from "#shared/api/work/sessions.js";
import { routesOf } from "../../../http/register-routes.js";
import { jobWorker, type Feature } from "../../feature.js";
import { deleteOldBuilds } from "../environments/index.js";
import { deleteOldChecks } from "../../code/workspaces/index.js";
import type { Services } from "../../services.js";
import { deleteExpiredLogs } from "./logs/expired-logs.js";
import { removeUnusedFolders } from "./checks/check-folder.js";
import { startBuilds } from "./builds/start-builds.js";
import { openCluster } from "./cluster/open-cluster.js";
import { startChecks } from "./checks/start-checks.js";
import { startOpinions } from "./opinions/start-opinions.js";
import { syncLogs } from "./stored-logs/sync-logs.js";
import { watchLogs } from "./stored-logs/watch-logs.js";
import { runGauges } from "./run-gauges.js";
import { openClusterEgress, type ClusterEgress } from "./egress/cluster-egress.js";
import { startQueuedRuns } from "./queue/run-queue.js";
import { presetHandlers, runHandlers, sandboxHandlers } from "./routes.js";
import { openRunnerProtocol } from "./runner-protocol/open-protocol.js";
import { sessionHandlers } from "./sessions/routes.js";
import { startStranded } from "./sessions/start-stranded.js";

export function runsFeature(services: Services): Feature {
  const { config, credentials, log, publicUrl, storage } = services;
  const { logStorage, ownRuns } = services;
  const movedLogs = watchLogs(logStorage, config.runLogDays, services.isAlone);
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
      jobWorker("start-queued-runs", async (data) => {
        try {
          await startQueuedRuns(ownRuns.deps, data);
        } finally {
          await startStranded(ownRuns.deps, data);
        }
      }),
      jobWorker("sync-logs", (_data, signal) => syncLogs(logStorage, signal)),
      jobWorker("start-opinions", () => startOpinions(ownRuns.deps)),
      jobWorker("start-checks", async () => {
        try {
          await startChecks(ownRuns.deps);
        } finally {
          await startBuilds(ownRuns.deps);
        }
      }),
    ],
    gauges: runGauges({
      nodeId: services.node.id,
      accepts: () => ownRuns.deps.supervisor.accepts,
      movesLogs: logStorage.target !== null,
    }),
    recover: () => ownRuns.recover(),
    start: async () => {
      const { host, egressPort: port } = config;
      if (port !== null) {
        clusterEgress = await openClusterEgress(
          { ...services, settings: config },
          { host, port, refuse: privateHostRule(config.egressPrivateHosts) },
        );
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
