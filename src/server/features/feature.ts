import type { Routes } from "../http/register-routes.js";
import type { DatabaseGauge } from "../metrics/database-gauges.js";
import type { JobData, JobName, Jobs } from "../jobs/queue.js";

/**
 * One feature of the server. The server calls `recover`, then `start`, in the order of
 * `features/index.ts`, before it takes jobs and requests. It calls `drain`, `endStreams`, `stop` and
 * `close` in reverse order when it shuts down.
 */
export interface Feature {
  readonly name: string;
  readonly routes?: readonly Routes[];
  readonly jobs?: readonly JobWorker[];
  /** Figures of all organizations in `/metrics`. */
  readonly gauges?: readonly DatabaseGauge[];
  /** Repairs the state left by a crash. */
  recover?(): Promise<void>;
  /** Resumes unfinished work and starts periodic work after every feature has recovered. */
  start?(): Promise<void> | void;
  /** Hourly maintenance, such as deleting expired data. */
  hourly?(): Promise<unknown>;
  /** Ends runs and other long work while the API still responds. */
  drain?(): Promise<void>;
  /** Ends responses that would keep connections open, after the server stops accepting requests. */
  endStreams?(): Promise<void> | void;
  /** Stops periodic work after the last request, so that no new jobs are sent. */
  stop?(): Promise<void> | void;
  /** Releases resources while the job queue stops. */
  close?(): Promise<void>;
}

/** Starts processing jobs of one kind in this process. */
export type JobWorker = (jobs: Jobs) => Promise<void>;

/** @param concurrency maximum number of jobs at the same time in this process */
export function jobWorker<Name extends JobName>(
  name: Name,
  handler: (data: JobData[Name], signal: AbortSignal) => Promise<void>,
  concurrency = 1,
): JobWorker {
  return (jobs) => jobs.work(name, handler, concurrency);
}
