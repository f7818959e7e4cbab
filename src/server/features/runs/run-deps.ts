import type { Logger } from "pino";
import type { RunLimits } from "#shared/api/agents/runs.js";
import type { Database } from "../../db/connection/connect.js";
import type { Jobs } from "../../jobs/queue.js";
import type { DockerSandbox } from "#sandbox/docker/docker.js";
import type { Sandbox } from "#sandbox/sandbox.js";
import type { Storage } from "../../data-folder/storage.js";
import type { ActiveWorkspace, WorkspaceDeps } from "../workspaces/index.js";
import type { LogAccess } from "./logs/log-access.js";
import type { LogStreams } from "./logs/log-stream.js";
import type { Supervisor } from "./execution/supervisor.js";
import type { LogStorage } from "./stored-logs/log-storage.js";
import type { RunSettings } from "./run-settings.js";

/** Dependencies of managed runs. */
export interface RunDeps {
  db: Database;
  jobs: Jobs;
  storage: Storage;
  workspaces: WorkspaceDeps;
  sandbox: Sandbox;
  /** Runs the commands of docker workspaces. */
  docker: DockerSandbox;
  supervisor: Supervisor;
  streams: LogStreams;
  logAccess: LogAccess;
  logStorage: LogStorage;
  settings: RunSettings;
  /** The limits enforced on this machine. */
  limits: RunLimits;
  /**
   * Saves what lost runs left in a workspace before another one starts there, for the holder of its lock.
   * Returns whether there were any.
   */
  saveLost: (workspace: ActiveWorkspace) => Promise<boolean>;
  log: Logger;
}
