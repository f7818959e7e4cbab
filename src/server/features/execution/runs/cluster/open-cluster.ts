import type { Services } from "../../../services.js";
import { openClusterApi } from "./api/open-cluster-api.js";
import { startController, type ClusterController } from "./controller.js";
import { findServerPlace } from "./server-place.js";

/** The runs in the cluster, at this process. */
export interface ClusterOfRuns {
  /** @throws ConfigError when no cluster is configured */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Keeps the Jobs of the cluster, if the configuration has one. */
export function openCluster({ config, db, build, publicUrl, log }: Services): ClusterOfRuns {
  const { kubernetes: settings, port, egressPort } = config;
  let controller: ClusterController | null = null;
  return {
    start: async () => {
      if (settings === null) return;
      controller = startController({
        db,
        api: await openClusterApi(settings.namespace),
        settings,
        runSettings: config,
        version: build.version,
        findPlace: () => findServerPlace(settings, { publicUrl: publicUrl(), port, egressPort }),
        log,
      });
    },
    stop: async () => controller?.stop(),
  };
}
