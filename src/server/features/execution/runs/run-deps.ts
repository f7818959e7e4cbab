import type { TaskChanges } from "#shared/api/work/tasks.js";
import type { Logger } from "pino";
import type { RunLimits } from "#shared/api/execution/runs.js";
import type { PresetName } from "#shared/execution/run-choices.js";
import type { Database } from "../../../db/connection/connect.js";
import type { Jobs } from "../../../jobs/queue.js";
import type { DockerSandbox } from "#sandbox/docker/docker.js";
import type { Sandbox } from "#sandbox/sandbox.js";
import type { Storage } from "../../../data-folder/storage.js";
import type { ActiveWorkspace, WorkspaceDeps } from "../../code/workspaces/index.js";
import type { LogAccess } from "./logs/log-access.js";
import type { LogStreams } from "./logs/log-stream.js";
import type { FoundProgram } from "./presets/found-program.js";
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
  /** Returns the programs of presets as they are now. @throws SandboxRefusal, ProgramLookupError */
  findPrograms: () => Promise<ReadonlyMap<string, FoundProgram>>;
  /** Returns the presets whose programs of sessions are installed. */
  sessionPresets: () => Promise<PresetName[]>;
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
  /** Commits what a turn of a session has changed in its workspace, and measures its branch; null if that is unknown. */
  saveTurn: (orgId: string, agentId: string) => Promise<TaskChanges | null>;
  log: Logger;
}
