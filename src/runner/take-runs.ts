import { setTimeout as pause } from "node:timers/promises";
import { RUNNER_LEASE_SECONDS, type OfferRequest } from "#shared/execution/runner/protocol.js";
import { isUnknown } from "./heartbeats.js";
import type { LiveRuns } from "./live-runs.js";
import { startRemoteRun } from "./remote-run.js";
import type { RemoteRunDeps } from "./run-upload.js";
import { repeated, UnreachableError } from "./server-connection.js";

/** A start whose answer was lost may have started the run, whose lease then goes on for this long. */
const START_MS = RUNNER_LEASE_SECONDS * 1000;

interface TakeRunsInput {
  remote: RemoteRunDeps;
  runs: LiveRuns;
  slots: number;
  /** Returns the request for as many runs. */
  offer: (free: number) => OfferRequest;
  /** Called when the server has answered. */
  answered: () => void;
  /** Called when the server no longer knows the runner. */
  fail: (error: unknown) => void;
  /** Ends requests for runs. */
  stopping: AbortSignal;
}

/** Starts runs of the server whenever slots are free, until the runner stops. */
export async function takeRuns(input: TakeRunsInput): Promise<void> {
  const { remote, runs, slots, offer, answered, fail, stopping } = input;
  const { server, log } = remote;

  /** Starts an offered run, unless it was taken back. Returns whether it did. */
  const startOne = async (runId: string): Promise<boolean> => {
    const deadline = performance.now() + START_MS;
    try {
      const job = await repeated(
        () => server.start(runId),
        () => performance.now() > deadline,
        stopping,
      );
      answered();
      const uid = runs.takeUid();
      runs.add(startRemoteRun(remote, job, uid), uid);
      log.info({ run: runId, project: job.project_id }, "started a run");
      return true;
    } catch (error) {
      if (!stopping.aborted) log.warn({ err: error, run: runId }, "cannot start a run");
      return false;
    }
  };
  const pauseUnlessStopping = (ms: number): Promise<void> =>
    pause(ms, undefined, { signal: stopping }).catch(() => undefined);
  for (let waitMs = 1000; !stopping.aborted;) {
    const free = slots - runs.live.size;
    if (free <= 0) {
      await runs.freed();
      continue;
    }
    try {
      const offered = await server.offers(offer(free), stopping);
      answered();
      waitMs = 1000;
      const started = await Promise.all(offered.runs.slice(0, free).map(startOne));
      // The same runs may be offered again at once.
      if (offered.runs.length > 0 && !started.includes(true)) await pauseUnlessStopping(2000);
    } catch (error) {
      if (stopping.aborted) return;
      if (isUnknown(error)) {
        fail(error);
        return;
      }
      log.warn({ err: error }, "cannot take runs; trying again");
      const askedMs = error instanceof UnreachableError ? (error.retryAfter ?? 0) * 1000 : 0;
      await pauseUnlessStopping(Math.min(Math.max(waitMs, askedMs), 30_000));
      waitMs = Math.min(waitMs * 2, 15_000);
    }
  }
}
