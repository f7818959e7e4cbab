import type { Logger } from "pino";
import type { Storage } from "../../../../data-folder/storage.js";
import type { Database } from "../../../../db/connection/connect.js";
import type { Jobs } from "../../../../jobs/queue.js";
import type { WorkspaceDeps } from "../../../code/workspaces/index.js";
import type { LogStreams } from "../logs/log-stream.js";
import type { RunSettings } from "../run-settings.js";

/** Dependencies of runs that runners execute. */
export interface RunnerRunDeps {
  db: Database;
  jobs: Jobs;
  storage: Storage;
  workspaces: WorkspaceDeps;
  streams: Pick<LogStreams, "written">;
  settings: RunSettings;
  /** Whether logs of ended runs may move to an object storage. */
  movesLogs: boolean;
  log: Logger;
}
