import { mkdir } from "node:fs/promises";
import type { NewEgress } from "#execution/proxy/egress-recorder.js";
import type { Prepared } from "#execution/execute-run.js";
import type { LogWriter } from "#execution/logs/log-writer.js";
import type { Masker } from "#execution/logs/mask-secrets.js";
import { prepareRepository } from "#execution/scripts/prepare-repository.js";
import { safeMessage, scriptRunner } from "#execution/scripts/run-script.js";
import { UpstreamError } from "#git/upstream/upstream-error.js";
import { chownTree } from "#git/worktree/chown-tree.js";
import { SandboxRefusal } from "#sandbox/sandbox.js";
import { isNoSpace } from "#shared/node/no-space.js";
import { attachEnvironment } from "./environments.js";
import { setUpInPod } from "./pod/set-up-in-pod.js";
import { saveRunState, type RunState } from "./run-state.js";
import type { RemoteRunDeps, RunUpload } from "./run-upload.js";
import { createWorkingTree, shareIndex } from "./working-tree.js";

interface StartingRun {
  /** Changed by the preparation. */
  state: RunState;
  masker: Masker;
  upload: RunUpload;
}

/**
 * Prepares the working tree, the environment and the repository of a run.
 * @throws SandboxRefusal
 */
export async function prepareRemoteRun(
  deps: RemoteRunDeps,
  run: StartingRun,
  written: LogWriter,
  ended: AbortSignal,
): Promise<Prepared> {
  const { storage, sandbox, driver, cache, log } = deps;
  const { state, masker, upload } = run;
  const { job, uid: ownUid } = state;
  const paths = storage.run(job.run_id);
  const places = paths.worktree(job.project_id);
  const signal = AbortSignal.any([ended, upload.signal]);
  try {
    await saveRunState(paths, state);
    await cache.fetch(job, signal);
    const exporting = cache.exportFor(job);
    exporting.catch(() => undefined);
    const owner = ownUid === null ? null : { uid: ownUid, gid: ownUid };
    await createWorkingTree(driver, places, job.head_commit, owner, job.environment !== null);
    const isOwn = ownUid !== null && (await driver.canChangeOwner(places));
    const uid = isOwn ? ownUid : sandbox.report.uid;
    state.uid = uid;
    const storeEgress = (egress: NewEgress) => upload.egress(egress);
    const environment = { job, places, uid, log: written, masker, storeEgress, signal };
    const restore = deps.pod === null ? null : await setUpInPod(deps, environment);
    if (deps.pod === null) await attachEnvironment(deps, environment);
    signal.throwIfAborted();
    await mkdir(paths.home, { recursive: true, mode: 0o700 });
    if (sandbox.report.mode !== "off" && deps.pod === null) await shareIndex(places);
    if (uid !== null && uid !== process.getuid?.()) {
      await driver.changeOwner(places, { uid, gid: uid });
      await chownTree(paths.home, { uid, gid: uid });
    }
    const readOnly = await exporting;
    state.readOnly = readOnly;
    await prepareGit(deps, run, written, readOnly);
    if (state.hasRepository) await restore?.();
    await saveRunState(paths, state);
    return { uid, readOnly };
  } catch (error) {
    if (error instanceof SandboxRefusal) throw error;
    if (signal.aborted) throw new SandboxRefusal("It was ended before its command started.");
    log.error({ err: error, run: job.run_id }, "cannot prepare a run");
    throw new SandboxRefusal(reasonOf(error));
  }
}

async function prepareGit(
  { sandbox, storage }: RemoteRunDeps,
  { state, masker }: StartingRun,
  written: LogWriter,
  readOnly: Prepared["readOnly"],
): Promise<void> {
  const { job } = state;
  if (sandbox.report.mode === "off") {
    state.repositoryError = "Without a sandbox, a run has no git repository.";
    return;
  }
  const { problem } = await prepareRepository(
    scriptRunner(sandbox, job.limits, job.max_files),
    { folder: storage.run(job.run_id).worktree(job.project_id).folder, uid: state.uid },
    {
      agent: job.agent,
      ref: `refs/heads/${job.branch}`,
      head: job.head_commit,
      baseRef: `refs/heads/${job.base_branch}`,
      baseCommit: job.base_commit,
      taken: [],
    },
    readOnly,
  );
  state.hasRepository = problem === null;
  if (problem === null) return;
  state.repositoryError = safeMessage(`The run has no git repository: ${problem}`, masker);
  await written.say(`${state.repositoryError}\n`);
}

/** Explains why a run could not be prepared, in a sentence for users. */
function reasonOf(error: unknown): string {
  if (error instanceof UpstreamError) {
    return `The runner could not fetch the project. ${error.message}`;
  }
  if (isNoSpace(error)) return "The runner's disk is full.";
  return "The runner could not prepare the workspace; its operator can find the cause in its log.";
}
