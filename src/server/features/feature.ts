import type { Routes } from "../http/register-routes.js";
import type { JobData, JobName, Jobs } from "../jobs/queue.js";

/**
 * One feature of the server. The server calls the parts of all features in the order of `features/index.ts`,
 * those that end something in reverse: `recover`, `start`, then the jobs and the requests; at the end `drain`,
 * `endStreams`, `stop`, `close`.
 */
export interface Feature {
  readonly name: string;
  readonly routes?: readonly Routes[];
  readonly jobs?: readonly JobWorker[];
  /** Repairs the state that a crash left. */
  recover?(): Promise<void>;
  /** Resumes unfinished work and starts periodic work, once every feature has recovered. */
  start?(): Promise<void> | void;
  /** Deletes expired data and the like, every hour. */
  hourly?(): Promise<unknown>;
  /** Ends runs and other long work while the API still answers. */
  drain?(): Promise<void>;
  /** Ends the responses that would keep connections open, once no new requests are accepted. */
  endStreams?(): Promise<void> | void;
  /** Stops periodic work after the last request, so that no new jobs are sent. */
  stop?(): Promise<void> | void;
  /** Releases resources while the job queue stops. */
  close?(): Promise<void>;
}

/** Takes jobs of one kind from the queue in this process. */
export type JobWorker = (jobs: Jobs) => Promise<void>;

/** @param concurrency of the jobs in this process */
export function jobWorker<Name extends JobName>(
  name: Name,
  handler: (data: JobData[Name], signal: AbortSignal) => Promise<void>,
  concurrency = 1,
): JobWorker {
  return (jobs) => jobs.work(name, handler, concurrency);
}
