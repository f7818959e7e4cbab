/** Environment layers of projects on this machine: what a setup script installs, once for many runs. */
import { mkdir, open } from "node:fs/promises";
import { executeRun } from "#execution/execute-run.js";
import type { NewEgress } from "#execution/proxy/egress-recorder.js";
import type { LogWriter } from "#execution/logs/log-writer.js";
import type { Exit } from "#execution/outcome.js";
import type { Masker } from "#execution/logs/mask-secrets.js";
import { removeTree } from "#git/files/atomic-directory.js";
import { chownTree } from "#git/worktree/chown-tree.js";
import { environmentKeyOf } from "#git/worktree/environment-key.js";
import { hasEnvironment } from "#git/worktree/environment-layer.js";
import type { WorktreePaths } from "#git/worktree/worktree-driver.js";
import type { LogEntry } from "#shared/api/execution/runs.js";
import type { RunnerJob } from "#shared/execution/runner/protocol.js";
import { type RemoteRunDeps, podProxy } from "./run-upload.js";
import type { RunPaths } from "./runner-storage.js";

/** Maximum time of a setup script, in seconds. */
const MAX_SECONDS = 3600;

/** Builds in progress by the path of their layer: runs that need the same one share it. */
const building = new Map<string, Promise<Built>>();

/** Whether a layer was built, why not, as a sentence, or that the run that built it was ended. */
type Built = { state: "built" | "ended" } | { state: "failed"; reason: string };

/** The end of the output of a script that failed, in the log of the run; bytes. */
const SHOWN_BYTES = 8 * 1024;

export interface EnvironmentRequest {
  job: RunnerJob;
  /** The working tree of the run, whose project was fetched. */
  places: WorktreePaths;
  /** The uid of the script's files and processes; null lets the sandbox decide. */
  uid: number | null;
  /** The log of the run. */
  log: LogWriter;
  masker: Masker;
  storeEgress: (egress: NewEgress) => Promise<void>;
  /** Aborted when the run is to end. */
  signal: AbortSignal;
}

/**
 * Adds the project's environment to the folder of a run, and builds it first if this machine has none for the base
 * branch. A script that fails is explained in the log, and the run goes on without its files.
 */
export async function attachEnvironment(
  deps: RemoteRunDeps,
  request: EnvironmentRequest,
): Promise<void> {
  const { job, places, log } = request;
  const { environment, base_commit: commit, base_branch: branch, project_id } = job;
  if (environment === null || commit === null) return;
  const key = await environmentKeyOf(places.repoPath, { branch, commit }, environment);
  const layer = deps.storage.environment(project_id, key);
  for (let attempt = 1; attempt <= MAX_ATTEMPTS && !request.signal.aborted; attempt += 1) {
    if (!(await hasEnvironment(layer))) {
      const build = building.get(layer) ?? buildOnce(deps, request, commit, key, layer);
      const built = await unlessAborted(build, request.signal);
      // The run that was building it has ended: this one builds it.
      if (built.state === "ended") continue;
      if (built.state === "failed") {
        await log.say(`The run has no environment: ${built.reason}`);
        return;
      }
    }
    // A layer can be removed between a look and its use.
    if ((await deps.driver.attachEnvironment(places, layer)) !== null) return;
  }
}

const MAX_ATTEMPTS = 10;

function unlessAborted(build: Promise<Built>, signal: AbortSignal): Promise<Built> {
  if (signal.aborted) return Promise.resolve({ state: "ended" });
  return new Promise((resolve, reject) => {
    const stop = (): void => resolve({ state: "ended" });
    signal.addEventListener("abort", stop, { once: true });
    build.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}

function buildOnce(
  deps: RemoteRunDeps,
  request: EnvironmentRequest,
  commit: string,
  key: string,
  layer: string,
): Promise<Built> {
  const build = buildLayer(deps, request, commit, key, layer).finally(() => building.delete(layer));
  building.set(layer, build);
  return build;
}

/** Runs the setup script and stores its files. */
async function buildLayer(
  deps: RemoteRunDeps,
  request: EnvironmentRequest,
  commit: string,
  key: string,
  layer: string,
): Promise<Built> {
  const { storage, driver, log: logger } = deps;
  const { job, uid, log, signal } = request;
  const paths = storage.build(job.project_id, key);
  const places = paths.worktree(job.project_id);
  await log.say("Building the project's environment on this machine, once…");
  try {
    const { outcome, detail } = await runSetupScript(
      deps,
      request,
      paths,
      places.folder,
      async () => {
        await driver.create({ ...places, commit });
        await mkdir(paths.home, { recursive: true, mode: 0o700 });
        if (uid !== null && uid !== process.getuid?.()) {
          await driver.changeOwner(places, { uid, gid: uid });
          await chownTree(paths.home, { uid, gid: uid });
        }
      },
    );
    if (signal.aborted) return { state: "ended" };
    if (outcome !== "succeeded") {
      return { state: "failed", reason: await setupFailure(detail, paths.log) };
    }
    await driver.storeEnvironment(places, layer);
    return { state: "built" };
  } catch (error) {
    logger.error({ err: error, project: job.project_id }, "cannot build an environment");
    const reason =
      "it could not be built; the operator of the runner can find the cause in its log.";
    return { state: "failed", reason };
  } finally {
    await driver.remove(places);
    await removeTree(paths.root);
  }
}

/**
 * Runs the setup script of a project.
 * @param paths its home and its log
 * @param prepare makes the folder and the home
 */
export async function runSetupScript(
  { sandbox, pod, log: logger }: RemoteRunDeps,
  { job, uid, masker, storeEgress, signal }: Omit<EnvironmentRequest, "places" | "log">,
  { home, log: logPath }: Pick<RunPaths, "home" | "log">,
  folder: string,
  prepare: () => Promise<void>,
): Promise<Exit> {
  const environment = job.environment as NonNullable<RunnerJob["environment"]>;
  const execution = executeRun({
    run: {
      id: job.run_id,
      kind: "build",
      command: ["sh", "-e", "-c", environment.setup_script],
      preset: null,
      // A pod has one network.
      ...(pod === null ? networkOf(environment) : networkOf(job)),
      timeout_seconds: Math.min(MAX_SECONDS, job.timeout_seconds),
      limits: job.limits,
    },
    sandbox,
    folder,
    home,
    maxFiles: job.max_files,
    logPath,
    masker,
    variables: (_url, proxy) => ({ CI: "true", ...environment.env, ...proxy }),
    openCallback: null,
    publicUrl: "",
    privateHosts: job.private_hosts,
    proxyUrl: podProxy(pod, job),
    openStreams: null,
    prepare: async () => {
      await prepare();
      return { uid, readOnly: [] };
    },
    storeEgress,
    attempt: (_subject, work) => work().catch(() => undefined),
    written: () => undefined,
    logger,
  });
  const stop = (): void => execution.endAtOnce({ status: "stopped", detail: "It was stopped." });
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  try {
    return await execution.done;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

const networkOf = ({ network, allowed_hosts }: Pick<RunnerJob, "network" | "allowed_hosts">) => ({
  network,
  allowed_hosts,
});

/** Explains why a setup script failed, in a sentence with the end of its output. */
export async function setupFailure(detail: string, logPath: string): Promise<string> {
  const shown = await endOfLog(logPath);
  return `its setup script failed. ${detail}${shown === "" ? "" : ` The end of its output:\n${shown}`}`;
}

/** Returns the end of a log as text, without secrets as the log itself. */
async function endOfLog(path: string): Promise<string> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    const length = Math.min(size, SHOWN_BYTES * 2);
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
    const lines = buffer.toString("utf8").split("\n");
    // The first one may lack its beginning.
    const whole = length < size ? lines.slice(1) : lines;
    const texts = whole
      .filter((line) => line !== "")
      .map((line) => (JSON.parse(line) as LogEntry).text);
    return texts.join("").slice(-SHOWN_BYTES).trimEnd();
  } finally {
    await file.close();
  }
}
