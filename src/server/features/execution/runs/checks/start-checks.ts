import { AppError } from "../../../../errors.js";
import { requireEpoch } from "../../../../cluster/nodes.queries.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import { newId } from "../../../../db/tables/columns.js";
import {
  endCheck,
  explainWait,
  takeCheck,
  type TakenCheck,
} from "../../../code/workspaces/index.js";
import type { CheckRun } from "../managed-runs.queries.js";
import * as managed from "../managed-runs.queries.js";
import type { RunDeps } from "../run-deps.js";
import { launchReserved, NOT_ASKED, requireHours, startWhileRoom } from "../server-runs.js";
import { maskerFor } from "../run-variables.js";
import { requireSandbox, sandboxFor } from "../start-run.js";
import type { Launch } from "../execution/launch.js";
import { createFolder } from "./check-folder.js";
import { endChecks } from "./end-checks.js";

/**
 * Starts queued checks while this process has room for them. Organizations with few running checks come
 * first. A job for any process of the node, sent whenever a check was queued or has ended.
 */
export function startChecks(deps: RunDeps): Promise<void> {
  const startNext = async (outOfHours: readonly string[]): Promise<boolean> => {
    const taken = await deps.db.withSystemTx("take a queued check", (tx) =>
      reserve(deps, tx, outOfHours),
    );
    if (!taken) return false;
    if ("started" in taken) await start(deps, taken.check, taken.started);
    else await endChecks(deps, [taken.check]);
    return true;
  };
  return startWhileRoom(deps, "check", startNext, explainWait);
}

/** A check whose run is reserved, or that has failed because it cannot run. */
type Reserved =
  | { check: TakenCheck; started: Pick<Launch, "run" | "sandbox"> }
  | { check: TakenCheck };

/**
 * Takes the next check and reserves its run in one transaction: a check of a dead process always has a
 * run, whose lease expires.
 * @throws AppError 503 when the server is stopping; the check stays queued
 */
async function reserve(
  deps: RunDeps,
  tx: Queryable,
  outOfHours: readonly string[],
): Promise<Reserved | undefined> {
  await requireEpoch(tx, deps.db.node);
  const check = await takeCheck(tx, deps.db.node.id, newId(), outOfHours);
  if (!check) return undefined;
  const { org_id, agent_id, project_id, run_id: id, definition } = check;
  try {
    requireSandbox(deps);
    const { sandbox, ...held } = sandboxFor(deps, { isDocker: false }, definition.network);
    await requireHours(tx, org_id);
    const run: CheckRun = {
      id,
      kind: "check",
      org_id,
      ...(agent_id === null ? { agent_id, project_id } : { agent_id, project_id: null }),
      command: definition.command,
      preset: null,
      timeout_seconds: definition.timeout_seconds,
      allowed_hosts: null,
      ...held,
    };
    const by = { server_id: deps.supervisor.serverId, token_hash: null };
    await managed.insertStarted(tx, { ...run, ...NOT_ASKED }, by);
    return { check, started: { run, sandbox } };
  } catch (error) {
    if (!(error instanceof AppError) || error.code === "unavailable") throw error;
    await endCheck(tx, check, "failed", `It could not be started: ${error.message}`);
    return { check };
  }
}

/** Returns what a command learns about its purpose. */
function variablesOf({ name, commit_sha, definition }: TakenCheck): Record<string, string> {
  return definition.paths === undefined
    ? { OMOI_CHECK: name, OMOI_COMMIT: commit_sha }
    : { OMOI_PATHS: definition.paths.join("\n") };
}

/** Starts a reserved check in a folder of its own. If it cannot start, it has failed. */
async function start(
  deps: RunDeps,
  check: TakenCheck,
  started: Pick<Launch, "run" | "sandbox">,
): Promise<void> {
  const launch = async (): Promise<void> => {
    const { folder, uid } = await createFolder(deps, check);
    await deps.supervisor.launch({
      waitedSeconds: null,
      ...started,
      projectId: check.project_id,
      folder,
      home: null,
      uid,
      env: { CI: "true", ...variablesOf(check) },
      secrets: null,
      token: null,
      masker: maskerFor(deps, {}, null),
      repository: null,
      conversation: null,
    });
  };
  if (!(await launchReserved(deps, check, launch))) await endChecks(deps);
}
