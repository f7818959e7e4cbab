import { RUNNER_PATH } from "#shared/execution/runner/protocol.js";
import type { RunnerRunDeps } from "../on-runners/runner-run-deps.js";
import type { RunnerAccess } from "./authenticate-runner.js";
import type { Offers } from "./offers.js";

export interface ProtocolDeps extends RunnerRunDeps, RunnerAccess {
  offers: Offers;
  /** Aborted when the server stops. */
  closing: AbortSignal;
}

/** Returns the path of a call of one run. */
export const ofRun = (call: string) => `${RUNNER_PATH}/runs/{run_id}/${call}` as const;
