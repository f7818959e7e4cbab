import type { Execution } from "#execution/execute-run.js";
import type { ManagedRun } from "../managed-runs.queries.js";

/** A run of this process, from its launch until its end is recorded. */
export interface LiveRun {
  run: ManagedRun;
  execution: Execution;
  done: Promise<void>;
}
