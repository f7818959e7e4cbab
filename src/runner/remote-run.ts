/** One run on this machine, from its job to the acknowledgment of its end. */
import { executeRun, shortGraceMs } from "#execution/execute-run.js";
import { createMasker } from "#execution/logs/mask-secrets.js";
import type { Ending, Exit } from "#execution/outcome.js";
import { removeTree } from "#git/files/atomic-directory.js";
import { modelVariables } from "#shared/execution/models/providers.js";
import type { RunnerJob } from "#shared/execution/runner/protocol.js";
import { openCallbackProxy } from "./callback-proxy.js";
import { prepareRemoteRun } from "./prepare-remote-run.js";
import { readRunState, type RunState } from "./run-state.js";
import {
  runUpload,
  sendWorkAtIntervals,
  type RemoteRunDeps,
  type RunnerReport,
  type RunUpload,
  podProxy,
} from "./run-upload.js";

/** A run that this runner has taken. */
export interface RemoteRun {
  readonly runId: string;
  readonly projectId: string;
  /** The uid of its files; null lets the sandbox decide. */
  readonly uid: number | null;
  /** Bytes of output so far, and whether some was dropped. */
  readonly output: { bytes: number; truncated: boolean };
  /** Resolves once its end is acknowledged, or the server has ended it. */
  readonly done: Promise<void>;
  /** Requests its end; the first reason wins. */
  end(ending: Ending, graceMs: number): void;
  /** The server has ended it: its command is killed, and nothing more is sent. */
  abandon(): void;
  readonly stopGraceMs: number;
}

const LOST = "The runner was restarted while it ran.";

/**
 * Starts a run.
 * @param ownUid uid of the run's files and processes where the driver can change their owner; null for that of the
 * sandbox
 */
export function startRemoteRun(
  deps: RemoteRunDeps,
  sent: RunnerJob,
  ownUid: number | null,
): RemoteRun {
  const { server, storage, sandbox, log, closing } = deps;
  const job = withLimitsOf(sandbox.report, sent);
  const paths = storage.run(job.run_id);
  const places = paths.worktree(job.project_id);
  const masker = createMasker(
    [...job.secrets, job.token].filter((text) => text !== ""),
    job.key_prefix,
  );
  const state: RunState = {
    job,
    end: null,
    repositoryError: null,
    hasRepository: false,
    readOnly: [],
    known: [job.head_commit, ...(job.base_commit === null ? [] : [job.base_commit])],
    uid: ownUid,
  };
  const upload = runUpload(deps, state);

  const execution = executeRun({
    run: {
      id: job.run_id,
      kind: "managed",
      command: job.command,
      preset: job.preset,
      network: job.network,
      allowed_hosts: job.allowed_hosts,
      timeout_seconds: job.timeout_seconds,
      limits: job.limits,
    },
    sandbox,
    folder: places.folder,
    home: paths.home,
    maxFiles: job.max_files,
    logPath: paths.log,
    masker,
    variables: (url, proxy) => ({
      // Those of the run and its secrets win, as on a server.
      ...(job.network !== "none" && modelVariables(job.model_providers, url, job.token)),
      ...job.env,
      ...proxy,
      OMOI_URL: url,
      OMOI_TOKEN: job.token,
      OMOI_AGENT_ID: job.agent.id,
      OMOI_RUN_ID: job.run_id,
    }),
    openCallback: () => openCallbackProxy(server.url),
    publicUrl: server.url,
    privateHosts: job.private_hosts,
    proxyUrl: podProxy(deps.pod, job),
    openStreams: null,
    prepare: (written, ended) => prepareRemoteRun(deps, { state, masker, upload }, written, ended),
    storeEgress: (egress) => upload.egress(egress),
    attempt: async (subject, work) => {
      await work().catch((error: unknown) => {
        log.warn({ err: error, run: job.run_id }, `cannot send ${subject}`);
      });
    },
    written: () => upload.written(),
    logger: log,
  });

  const checkpoints = sendWorkAtIntervals(deps, state, masker, upload);
  const finish = async (exit: Exit): Promise<void> => {
    await checkpoints.stop();
    if (closing.aborted) return;
    state.end = { ...exit, repository_error: state.repositoryError };
    await upload.finish(masker);
  };
  const done = endRun(deps, state, upload, execution.done.then(finish));
  if (deps.pod === null) void done.then(() => fetchAhead(deps, job));

  return {
    runId: job.run_id,
    projectId: job.project_id,
    uid: ownUid,
    get output() {
      return execution.output;
    },
    done,
    end: (reason, graceMs) => execution.end(reason, graceMs),
    abandon: () => {
      upload.abandon();
      execution.endAtOnce({ status: "lost", detail: "The server has ended it." });
    },
    stopGraceMs: job.stop_grace_seconds * 1000,
  };
}

/** Leaves out a default limit that this machine cannot enforce, as a server does. */
function withLimitsOf({ limits }: RunnerReport, job: RunnerJob): RunnerJob {
  if (!job.has_default_cpus || (limits?.cpu.enforced ?? true)) return job;
  return { ...job, limits: { ...job.limits, cpus: null } };
}

/**
 * Ends a run of an earlier process of this runner: what its command has left is sent, and its end.
 * Returns null without a state, and removes its folder then.
 */
export async function resumeRemoteRun(
  deps: RemoteRunDeps,
  runId: string,
): Promise<RemoteRun | null> {
  const { storage } = deps;
  const state = await readRunState(storage.run(runId));
  if (state === null) {
    await removeTree(storage.run(runId).root);
    return null;
  }
  const { job } = state;
  const masker = createMasker([], job.key_prefix);
  const upload = runUpload(deps, state);
  state.end ??= {
    outcome: "lost",
    exit_code: null,
    detail: LOST,
    result: null,
    peak_memory_bytes: null,
    cpu_seconds: null,
    output_bytes: 0,
    output_truncated: false,
    repository_error: state.repositoryError,
  };
  const { end } = state;
  const done = endRun(deps, state, upload, upload.finish(masker));
  return {
    runId,
    projectId: job.project_id,
    uid: state.uid,
    output: { bytes: end.output_bytes, truncated: end.output_truncated },
    done,
    end: () => undefined,
    abandon: () => upload.abandon(),
    stopGraceMs: shortGraceMs,
  };
}

/**
 * Waits for the acknowledged end of a run and removes its folder, which stays for the next start if the runner ends
 * before.
 */
async function endRun(
  { storage, driver, log, closing }: RemoteRunDeps,
  { job }: RunState,
  upload: RunUpload,
  finished: Promise<void>,
): Promise<void> {
  const paths = storage.run(job.run_id);
  try {
    await finished;
  } catch (error) {
    if (!closing.aborted && !upload.signal.aborted) {
      log.error({ err: error, run: job.run_id }, "the server did not take the end of a run");
    }
  }
  if (closing.aborted) return;
  try {
    await driver.remove(paths.worktree(job.project_id));
    await removeTree(paths.root);
  } catch (error) {
    log.error({ err: error, run: job.run_id }, "cannot remove the folder of a run");
  }
}

/** The next run of the agent starts sooner if what this one has left is here already. */
async function fetchAhead({ cache, closing, log }: RemoteRunDeps, job: RunnerJob): Promise<void> {
  try {
    await cache.fetchAhead(job, closing);
  } catch (error) {
    if (!closing.aborted) log.debug({ err: error, run: job.run_id }, "cannot fetch ahead");
  }
}
