import { requireEpoch } from "../../../../cluster/nodes.queries.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import { newId } from "../../../../db/tables/columns.js";
import { AppError } from "../../../../errors.js";
import {
  endOpinion,
  explainOpinionWait,
  takeOpinion,
  type TakenOpinion,
} from "../../../code/workspaces/index.js";
import { createFolder, removeFolder } from "../checks/check-folder.js";
import type { Launch } from "../execution/launch.js";
import * as managed from "../managed-runs.queries.js";
import type { ReviewRun } from "../managed-runs.queries.js";
import type { RunDeps } from "../run-deps.js";
import type { RunToken } from "../run-tokens.js";
import { maskerFor } from "../run-variables.js";
import { projectOf } from "../runs.queries.js";
import { launchReserved, NOT_ASKED, requireHours, startWhileRoom } from "../server-runs.js";
import { sandboxFor } from "../start-run.js";
import { findTaskText, recordPrompt } from "./opinion-runs.queries.js";
import { composeOpinionPrompt } from "./opinion-prompt.js";
import { requireReviewer } from "./require-reviewer.js";

/** Maximum seconds of a reviewer. */
const TIMEOUT_SECONDS = 1800;

/**
 * Starts queued second opinions while this process has room for them. Organizations with few running ones come first.
 * A job for any process of the node, sent whenever one was queued or has ended.
 */
export function startOpinions(deps: RunDeps): Promise<void> {
  const startNext = async (outOfHours: readonly string[]): Promise<boolean> => {
    const token = deps.supervisor.newToken();
    const taken = await deps.db.withSystemTx("take a queued opinion", (tx) =>
      reserve(deps, tx, token, outOfHours),
    );
    if (taken) await start(deps, taken, token);
    return taken !== undefined;
  };
  return startWhileRoom(deps, "review", startNext, explainOpinionWait);
}

/** An opinion whose run is reserved. */
interface Reserved {
  opinion: TakenOpinion;
  started: Pick<Launch, "run" | "sandbox">;
}

/**
 * Takes the next opinion and reserves its run in one transaction: that of a dead process always has a run, whose lease
 * expires. Its command is written at its start, by the change.
 * @throws AppError 503 when the server is stopping; the opinion stays queued
 */
async function reserve(
  deps: RunDeps,
  tx: Queryable,
  token: RunToken,
  outOfHours: readonly string[],
): Promise<Reserved | undefined> {
  await requireEpoch(tx, deps.db.node);
  const opinion = await takeOpinion(tx, deps.db.node.id, newId(), outOfHours);
  if (!opinion) return undefined;
  const { org_id, agent_id, run_id: id, preset, model, prompt, origin, requested_by } = opinion;
  await requireHours(tx, org_id);
  const { sandbox, ...held } = enforced(deps);
  const run: ReviewRun = {
    id,
    kind: "review",
    org_id,
    agent_id,
    project_id: null,
    command: [],
    preset,
    timeout_seconds: Math.min(TIMEOUT_SECONDS, deps.settings.runTimeoutSeconds),
    // The server alone, with the gateway of its models.
    allowed_hosts: [],
    ...held,
  };
  const by = { server_id: deps.supervisor.serverId, token_hash: token.hash };
  const asked = { ...NOT_ASKED, origin, started_by: requested_by as never, prompt, model };
  await managed.insertStarted(tx, { ...run, ...asked }, by);
  return { opinion, started: { run, sandbox } };
}

/** The sandbox; where it has no restricted network, the start says so. */
function enforced(deps: RunDeps): ReturnType<typeof sandboxFor> {
  try {
    return sandboxFor(deps, { isDocker: false }, "restricted");
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return { sandbox: deps.sandbox, limits: deps.limits, network: "none" };
  }
}

/** Starts a reserved opinion in a folder of its own. If it cannot start, it has failed. */
async function start(
  deps: RunDeps,
  { opinion, started }: Reserved,
  { token }: RunToken,
): Promise<void> {
  const { project_id: projectId, org_id, run_id, task_id, model } = opinion;
  const launch = async (): Promise<void> => {
    const { definition, providers } = await requireReviewer(deps, opinion);
    const task = await deps.db.tenant(org_id, (tx) => findTaskText(tx, task_id));
    const repoPath = deps.storage.repository(org_id, projectId);
    const prompt = await composeOpinionPrompt(repoPath, { opinion, task });
    await deps.db.tenant(org_id, (tx) => recordPrompt(tx, run_id, prompt));
    const { folder, uid } = await createFolder(deps, opinion);
    await deps.supervisor.launch({
      waitedSeconds: null,
      ...started,
      run: { ...started.run, command: definition.commandOf({ prompt, model }) },
      projectId,
      folder,
      home: null,
      uid,
      env: { OMOI_OPINION_ID: opinion.id, OMOI_TASK_ID: task_id },
      // Those of the project are for its own agents: the change may have been written to steal them.
      secrets: { variables: { ...definition.environment }, providers },
      token,
      masker: maskerFor(deps, {}, token),
      repository: null,
      conversation: null,
    });
  };
  const isLaunched = await launchReserved(deps, opinion, launch, async (tx, status, detail) => {
    if (status === "failed") await endOpinion(tx, opinion, { status, detail });
  });
  if (!isLaunched) await deps.jobs.send("end-opinions", {});
}

/** Removes the folder of an opinion whose run has ended, and lets its review be published. */
export async function endOpinionRun(
  deps: RunDeps,
  { id: run_id, org_id }: ReviewRun,
): Promise<void> {
  const project_id = await deps.db.tenant(org_id, (tx) => projectOf(tx, run_id));
  await removeFolder(deps, { org_id, project_id, run_id });
  await deps.jobs.send("end-opinions", {});
}
