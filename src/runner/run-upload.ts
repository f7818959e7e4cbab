/** What a run sends to the server while it goes on and at its end. Requests are repeated until they are answered. */
import type { Logger } from "pino";
import type { NewEgress } from "#execution/egress/egress-recorder.js";
import type { Masker } from "#execution/logs/mask-secrets.js";
import { safeMessage, scriptRunner } from "#execution/scripts/run-script.js";
import type { WorktreeDriver } from "#git/worktree/worktree-driver.js";
import type { Sandbox } from "#sandbox/sandbox.js";
import { uploadLog } from "./log-upload.js";
import type { ProjectCache } from "./project-cache.js";
import { saveRunState, type RunState } from "./run-state.js";
import type { RunnerStorage } from "./runner-storage.js";
import { sendWork, UnreadableWorkError } from "./send-work.js";
import { RefusedError, repeated, type ServerConnection } from "./server-connection.js";

export interface RemoteRunDeps {
  server: ServerConnection;
  storage: RunnerStorage;
  sandbox: Sandbox;
  driver: WorktreeDriver;
  cache: ProjectCache;
  log: Logger;
  /** Aborted when the runner ends at once; it then goes on after its next start. */
  closing: AbortSignal;
}

/** What a run sends to the server. */
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
  const { server, storage, sandbox, driver, cache, closing, log } = deps;
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

  const work: RunUpload["work"] = async (masker, hasEnded) => {
    if (!state.hasRepository) return;
    const source = {
      job,
      folder: places.folder,
      uid: state.uid,
      runScript: scriptRunner(sandbox, job.limits, job.max_files),
      readOnly: await cache.exportFor(job),
      known: state.known,
    };
    const { known } = await sendWork(server, source, masker, hasEnded, signal);
    state.known = known;
    await saveRunState(paths, state);
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
      let repositoryError = end.repository_error;
      try {
        await logUpload.finish();
        await driver.open(places).catch(() => null);
        await again(() => work(masker, true));
      } catch (error) {
        if (signal.aborted) throw error;
        if (error instanceof UnreadableWorkError) {
          repositoryError = `Its commits were not taken: ${error.message}`;
        } else if (error instanceof RefusedError && error.status === 422) {
          repositoryError = safeMessage(`Its work was rejected: ${error.message}`, masker);
        } else throw error;
        log.warn({ err: error, run: job.run_id }, "the work of a run was not sent");
      }
      await again(() =>
        server.end(job.run_id, {
          ...end,
          repository_error: repositoryError?.slice(0, 500) ?? null,
        }),
      );
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
