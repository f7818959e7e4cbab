/** The end of `omoi runner --run`: its exit code and its last message, which the cluster shows. */
import { existsSync, writeFileSync } from "node:fs";
import { runInPod, type PodRunOptions } from "#runner/pod/run-in-pod.js";
import { PodStartError } from "#runner/pod/run-in-pod.js";
import { FailedError } from "../output/failures.js";

/** The run was not started and is in the queue again (EX_TEMPFAIL of sysexits.h). */
const QUEUED = 75;
/** Kubernetes shows its content as the message of the container's end. */
const TERMINATION_LOG = "/dev/termination-log";

/**
 * Executes a run and returns once the server has acknowledged its end.
 * @throws FailedError with 1 if it could not start, with 75 if it is in the queue again
 */
export async function runPod(options: Omit<PodRunOptions, "ending">): Promise<void> {
  const ending = new AbortController();
  process.removeAllListeners("SIGINT");
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, () => ending.abort());
  try {
    const outcome = await runInPod({ ...options, ending: ending.signal });
    if (outcome === "queued") throw new FailedError("The run is in the queue again.", QUEUED);
  } catch (error) {
    if (!(error instanceof PodStartError) && !(error instanceof FailedError)) throw error;
    if (existsSync(TERMINATION_LOG)) writeFileSync(TERMINATION_LOG, error.message);
    if (error instanceof FailedError) throw error;
    throw new FailedError(error.message);
  }
}
