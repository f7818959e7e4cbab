import type { Logger } from "pino";
import type { Database } from "../../../../db/connection/connect.js";
import type { RunSettings } from "../run-settings.js";
import type { ClusterApi } from "./api/cluster-api.js";
import type { ClusterSettings, ServerPlace } from "./manifests/cluster-run.js";

/** Dependencies of the runs in the cluster. */
export interface ClusterDeps {
  db: Database;
  api: ClusterApi;
  settings: ClusterSettings;
  runSettings: Pick<RunSettings, "runLimits" | "runStopGraceSeconds">;
  /** The server's version. */
  version: string;
  findPlace: () => Promise<ServerPlace>;
  log: Logger;
  /** Aborted when the server stops. */
  closing: AbortSignal;
}
