import type { Logger } from "pino";
import type { RunLimits } from "#shared/api/runs.js";
import type { Config } from "../../config.js";
import type { Database } from "../../db/connect.js";
import type { Jobs } from "../../jobs/queue.js";
import type { DockerSandbox } from "../../sandbox/docker.js";
import type { Sandbox } from "../../sandbox/sandbox.js";
import type { Storage } from "../../storage.js";
import type { WorkspaceDeps } from "../workspaces/service.js";
import type { LogAccess } from "./log-access.js";
import type { LogStreams } from "./log-stream.js";
import type { Supervisor } from "./supervisor.js";

/** What the operator sets for managed runs. */
export type RunSettings = Pick<
  Config,
  | "runLimits"
  | "runFiles"
  | "runTimeoutSeconds"
  | "runStopGraceSeconds"
  | "runLogDays"
  | "secret"
  | "keyPrefix"
  | "trustedProxies"
>;

/** What starts, runs and shows managed runs. */
export interface RunDeps {
  db: Database;
  jobs: Jobs;
  storage: Storage;
  workspaces: WorkspaceDeps;
  sandbox: Sandbox;
  /** What runs the commands of docker workspaces. */
  docker: DockerSandbox;
  supervisor: Supervisor;
  streams: LogStreams;
  logAccess: LogAccess;
  settings: RunSettings;
  /** In force on this machine. */
  limits: RunLimits;
  log: Logger;
}
