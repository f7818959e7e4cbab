import { AppError } from "../../../errors.js";
import { newId } from "../../../db/tables/columns.js";
import {
  endCheck,
  isOpenCheck,
  requeueCheck,
  takeCheck,
  type TakenCheck,
} from "../../workspaces/index.js";
import { readUsage } from "../../usage/index.js";
import type { ManagedRun } from "../managed-runs.queries.js";
import * as managed from "../managed-runs.queries.js";
import type { RunDeps } from "../run-deps.js";
import { maskerFor, requireSandbox, sandboxFor } from "../start-run.js";
import { createFolder, removeFolder } from "./check-folder.js";
import { endChecks } from "./end-checks.js";

/**
 * Starts queued checks while this process has room for them. Organizations with few running checks come
 * first. A job for any process, sent whenever a check was queued or has ended.
 */
export async function startChecks(deps: RunDeps): Promise<void> {
  const { supervisor, settings } = deps;
  while (supervisor.accepts && supervisor.countLive("check") < settings.checksAtOnce) {
    const runId = newId();
    const check = await deps.db.withSystemTx("take a queued check", (tx) => takeCheck(tx, runId));
    if (!check) return;
    await startCheck(deps, check);
  }
}

/** Starts a taken check. If it cannot start, it has failed. */
async function startCheck(deps: RunDeps, check: TakenCheck): Promise<void> {
  const { db, supervisor } = deps;
  try {
    const launch = await prepare(deps, check);
    await supervisor.launch(launch);
  } catch (error) {
    if (error instanceof CheckCancelledError) return;
    await removeFolder(deps, check).catch((failure: unknown) => {
      deps.log.error({ err: failure, run: check.run_id }, "cannot remove the folder of a check");
    });
    if (!(error instanceof AppError)) {
      deps.log.error({ err: error, check: check.id }, "cannot start a check");
    }
    if (error instanceof AppError && error.code === "unavailable") {
      await db.tenant(check.org_id, (tx) => requeueCheck(tx, check));
      return;
    }
    const detail = `It could not be started: ${
      error instanceof AppError
        ? error.message
        : "the operator can find the cause in the server's log."
    }`;
    await db.tenant(check.org_id, async (tx) => {
      await managed.endUnstarted(tx, check.run_id, detail);
      await endCheck(tx, check, "failed", detail);
    });
    await endChecks(deps, [check]);
  }
}

/** The queue no longer needs the check. */
class CheckCancelledError extends Error {
  override readonly name = "CheckCancelledError";
}

/** Reserves the run and creates its folder. @throws AppError 409, 422, 503 */
async function prepare(deps: RunDeps, check: TakenCheck) {
  const { db, supervisor } = deps;
  const { org_id, agent_id, project_id, run_id: id, definition, name, commit_sha } = check;
  requireSandbox(deps);
  const { sandbox, ...held } = sandboxFor(deps, { isDocker: false }, definition.network);
  const run: ManagedRun = {
    id,
    kind: "check",
    org_id,
    agent_id,
    command: definition.command,
    timeout_seconds: definition.timeout_seconds,
    ...held,
  };
  await db.tenant(org_id, async (tx) => {
    if (!(await isOpenCheck(tx, check))) throw new CheckCancelledError();
    const usage = await readUsage(tx, org_id);
    const hours = usage?.runtime_hours;
    if (hours && hours.current >= hours.limit) {
      throw new AppError(
        "quota_exceeded",
        `the organization's ${hours.limit} hours of this month are used up.`,
      );
    }
    const by = { server_id: supervisor.serverId, token_hash: null };
    await managed.insertStarted(tx, { ...run, started_by: null, origin: null, env_names: [] }, by);
  });
  const { folder, uid } = await createFolder(deps, check);
  const env = { CI: "true", OMOI_CHECK: name, OMOI_COMMIT: commit_sha };
  const masker = maskerFor(deps, {}, null);
  return { run, projectId: project_id, folder, uid, env, token: null, masker, sandbox };
}
