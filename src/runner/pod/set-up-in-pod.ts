/**
 * A project's environment in a pod: its setup script runs in the working tree itself, since a pod has one run and keeps
 * nothing for others. All that git has to do afterwards runs in the command's container: what the script has left may
 * contain settings that name programs, and links.
 */
import { join } from "node:path";
import { safeMessage, scriptRunner } from "#execution/scripts/run-script.js";
import { CLEAN_SETUP, RESTORE_FILES } from "#execution/scripts/repository-scripts.js";
import { runSetupScript, setupFailure, type EnvironmentRequest } from "../environments.js";
import type { RemoteRunDeps } from "../run-upload.js";

/**
 * Runs the setup script in the working tree. Returns a function that brings tracked files back to their commit once the
 * repository is made; null without an environment. A script that fails is explained in the log, and its files are
 * removed then.
 */
export async function setUpInPod(
  deps: RemoteRunDeps,
  request: EnvironmentRequest,
): Promise<(() => Promise<void>) | null> {
  const { job, places, uid, log, masker, signal } = request;
  if (job.environment === null) return null;
  const paths = deps.storage.run(job.run_id);
  const logPath = join(paths.root, "setup.log");
  await log.say("Building the project's environment in the pod…");
  const { outcome, detail } = await runSetupScript(
    deps,
    request,
    { home: paths.home, log: logPath },
    places.folder,
    async () => undefined,
  );
  if (signal.aborted) return null;
  const isBuilt = outcome === "succeeded";
  if (!isBuilt) await log.say(`The run has no environment: ${await setupFailure(detail, logPath)}`);
  const runScript = scriptRunner(deps.sandbox, job.limits, job.max_files);
  const run = async (script: string, args: string[]): Promise<void> => {
    const common = { folder: places.folder, uid, readOnly: [], signal, onOutput: () => undefined };
    const failure = await runScript({ ...common, script, args });
    if (failure === null) return;
    await log.say(`The environment was not cleaned up: ${safeMessage(failure, masker)}\n`);
  };
  // Also its home, which may hold credentials that the run must not have.
  await run(CLEAN_SETUP, []);
  return () => run(RESTORE_FILES, [isBuilt ? "-fdq" : "-fdxq"]);
}
