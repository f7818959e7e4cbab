/** The end of `omoi runner --run`: its exit code and its last message, which the cluster shows. */
import { existsSync, writeFileSync } from "node:fs";
import { PodStartError, runInPod, type PodRunOptions } from "#runner/pod/run-in-pod.js";

/** The run was not started and is in the queue again (EX_TEMPFAIL of sysexits.h). */
const QUEUED = 75;
/** Kubernetes shows its content as the message of the container's end. */
const TERMINATION_LOG = "/dev/termination-log";

/**
 * Executes a run, and sets the exit code once the server has acknowledged its end: 1 if it could not start, 75 if it
 * is in the queue again.
 */
export async function runPod(options: Omit<PodRunOptions, "ending">): Promise<void> {
  const ending = new AbortController();
  process.removeAllListeners("SIGINT");
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, () => ending.abort());
  const explain = (message: string): void => {
    if (existsSync(TERMINATION_LOG)) writeFileSync(TERMINATION_LOG, message);
  };
  const exit = (code: number, message: string): void => {
    process.exitCode = code;
    explain(message);
    process.stderr.write(`omoi: ${message}\n`);
  };
  try {
    const outcome = await runInPod({ ...options, ending: ending.signal });
    process.exitCode = 0;
    if (outcome === "queued") exit(QUEUED, "The run is in the queue again.");
  } catch (error) {
    if (!(error instanceof PodStartError)) {
      explain(String(error));
      throw error;
    }
    exit(1, error.message);
  }
}
