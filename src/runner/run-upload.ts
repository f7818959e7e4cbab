/** Uploads of a run to the server, during the run and at its end. Requests are retried until they are answered. */
import { setTimeout as pause } from "node:timers/promises";
import type { Logger } from "pino";
import type { NewEgress } from "#execution/proxy/egress-recorder.js";
import type { Masker } from "#execution/logs/mask-secrets.js";
import { safeMessage, scriptRunner } from "#execution/scripts/run-script.js";
import type { WorktreeDriver } from "#git/worktree/worktree-driver.js";
import type { Sandbox } from "#sandbox/sandbox.js";
import { uploadLog } from "./log-upload.js";
import type { ProjectCache } from "./project-cache.js";
import { saveRunState, type RunState } from "./run-state.js";
import type { RunnerStorage } from "./runner-storage.js";
import { readWork, UnreadableWorkError } from "./send-work.js";
import { isOver, RefusedError, repeated, type ServerConnection } from "./server-connection.js";
import type { RunnerJob } from "#shared/execution/runner/protocol.js";

export interface PodSettings {
  /** The address of the server's proxy for restricted networks; null if it has none. */
  egressUrl: string | null;
}

/** The capabilities of the machine or pod; Kubernetes limits a pod. */
export type RunnerReport = Pick<Sandbox["report"], "uid"> & { mode: string } & Partial<
    Pick<Sandbox["report"], "limits">
  >;

export interface RemoteRunDeps {
  server: ServerConnection;
  storage: RunnerStorage;
  sandbox: Pick<Sandbox, "start"> & { readonly report: RunnerReport };
  /** The settings of a pod, which has one run; null elsewhere. */
  pod: PodSettings | null;
  driver: WorktreeDriver;
  cache: ProjectCache;
  log: Logger;
  /** Aborted when the runner ends at once; it then goes on after its next start. */
  closing: AbortSignal;
}

/** Attempts to read the work of a run that has ended. */
const WORK_ATTEMPTS = 3;

/** The uploads of one run. */
export interface RunUpload {
  /** Aborted when the runner ends at once, and when the server has ended the run. */
  readonly signal: AbortSignal;
  written(): void;
  egress: (egress: NewEgress) => Promise<void>;
  /** Sends commits and files. @throws as `sendWork` */
  work(masker: Pick<Masker, "mask">, hasEnded: boolean): Promise<void>;
  /** Sends everything that is left, then the end. */
  finish(masker: Pick<Masker, "mask">): Promise<void>;
  abandon(): void;
}

/** @param state its commits that the server has are updated and saved */
export function runUpload(deps: RemoteRunDeps, state: RunState): RunUpload {
  const { server, storage, sandbox, driver, closing, log } = deps;
  const { job } = state;
  const paths = storage.run(job.run_id);
  const places = paths.worktree(job.project_id);
  const abandoned = new AbortController();
  const signal = AbortSignal.any([closing, abandoned.signal]);
  const again = <Result>(work: () => Promise<Result>): Promise<Result> =>
    repeated(work, () => signal.aborted, signal);
  const logUpload = uploadLog(paths.log, (offset, lines) =>
    again(() => server.appendLog(job.run_id, offset, lines)),
  );
  let batch = 0;
  /** Commits of uncommitted files that were sent; the next pack leaves their content out. */
  let sentFiles: string | null = null;

  const work: RunUpload["work"] = async (masker, hasEnded) => {
    if (!state.hasRepository) return;
    const source = {
      job,
      folder: places.folder,
      uid: state.uid,
      runScript: scriptRunner(sandbox, job.limits, job.max_files),
      readOnly: state.readOnly,
      known: [...state.known, ...(sentFiles === null ? [] : [sentFiles])],
      path: paths.work,
    };
    const found = await readWork(source, masker, hasEnded, signal);
    try {
      const { known } = await again(() =>
        found.send((body) => server.sendWork(job.run_id, hasEnded, body, signal)),
      );
      state.known = known;
      sentFiles = found.files;
    } finally {
      await found.remove();
    }
    await save();
  };
  /** Without it, a restarted runner sends more than it has to. */
  const save = (): Promise<void> =>
    saveRunState(paths, state).catch((error: unknown) => {
      log.error({ err: error, run: job.run_id }, "cannot write the state of a run");
    });

  /** Sends the work at the end. Returns why it could not be sent, as a sentence; null if it was. */
  const lastWork = async (masker: Pick<Masker, "mask">): Promise<string | null> => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await driver.open(places);
        await work(masker, true);
        return null;
      } catch (error) {
        if (signal.aborted || isOver(error)) throw error;
        log.warn({ err: error, run: job.run_id }, "the work of a run was not sent");
        if (error instanceof UnreadableWorkError) {
          return `Its commits were not taken: ${error.message}`;
        }
        if (error instanceof RefusedError) {
          return safeMessage(`Its work was rejected: ${error.message}`, masker);
        }
        // A full disk, or too many processes.
        if (attempt === WORK_ATTEMPTS) {
          return "Its commits were not taken; the operator of the runner can find the cause in its log.";
        }
        await pause(attempt * 2000, undefined, { signal });
      }
    }
  };

  return {
    signal,
    written: () => logUpload.written(),
    egress: async ({ connections, allowed, denied }) => {
      batch += 1;
      const report = {
        batch,
        allowed,
        denied,
        connections: connections.map(({ at, bytesSent, bytesReceived, ...connection }) => ({
          ...connection,
          at: at.toISOString(),
          bytes_sent: bytesSent,
          bytes_received: bytesReceived,
        })),
      };
      await again(() => server.reportEgress(job.run_id, report));
    },
    work,
    finish: async (masker) => {
      const { end } = state;
      if (end === null) throw new Error("the run has not ended");
      await save();
      await logUpload.finish().catch((error: unknown) => {
        if (signal.aborted || isOver(error)) throw error;
        log.error({ err: error, run: job.run_id }, "the log of a run was not sent whole");
      });
      const failure = await lastWork(masker);
      const repository_error = failure ?? end.repository_error;
      const full = { ...end, repository_error };
      try {
        await again(() => server.end(job.run_id, full));
      } catch (error) {
        if (!(error instanceof RefusedError) || error.status !== 422) throw error;
        log.error({ err: error, run: job.run_id }, "the end of a run was rejected");
        const detail =
          "Its end could not be stored; the operator of the runner can find the cause in its log.";
        await again(() =>
          server.end(job.run_id, { ...full, detail, result: null, repository_error: null }),
        );
      }
    },
    abandon: () => {
      abandoned.abort();
      logUpload.stop();
    },
  };
}

/** Sends the work of a run at the interval of its workspace. */
export function sendWorkAtIntervals(
  { log }: Pick<RemoteRunDeps, "log">,
  { job }: RunState,
  masker: Pick<Masker, "mask">,
  upload: RunUpload,
): { stop(): Promise<void> } {
  if (job.checkpoint_seconds === null) return { stop: () => Promise.resolve() };
  let sending: Promise<void> | null = null;
  const timer = setInterval(() => {
    sending ??= upload
      .work(masker, false)
      // The next one takes what this one has not.
      .catch((error: unknown) => {
        if (!upload.signal.aborted) log.warn({ err: error, run: job.run_id }, "cannot send work");
      })
      .finally(() => {
        sending = null;
      });
  }, job.checkpoint_seconds * 1000);
  return {
    stop: async () => {
      clearInterval(timer);
      await sending;
    },
  };
}

/** Returns the address of the server's proxy with the credentials of a run; null outside of a pod. */
export function podProxy(
  pod: PodSettings | null,
  { token }: Pick<RunnerJob, "token">,
): string | null {
  if (pod === null || pod.egressUrl === null) return null;
  const { protocol, host } = new URL(pod.egressUrl);
  return `${protocol}//run:${encodeURIComponent(token)}@${host}`;
}
