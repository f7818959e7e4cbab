import { stat } from "node:fs/promises";
import type { RunnerJob } from "#shared/execution/runner/protocol.js";
import type { NewEnvironment } from "#shared/api/execution/environments.js";
import { modelVariables } from "#shared/execution/models/providers.js";
import { publish } from "#shared/node/measurements.js";
import type { RunSecrets } from "../../secrets/index.js";
import { systemOrigin } from "../../../../db/audit/audit.js";
import { violatedConstraint } from "../../../../db/connection/connect.js";
import { requireNoMaintenance } from "../../../../access/maintenance.js";
import { AppError } from "../../../../errors.js";
import { withRemoteWorkspace, type RemotePlace } from "../../../code/workspaces/index.js";
import { endQueued } from "../../run-ends/index.js";
import * as managed from "../managed-runs.queries.js";
import { checkCapacity, runInProgress } from "../queue/reserve-run.js";
import {
  failureOf,
  isTransient,
  openEnvironment,
  requireCallerPermission,
} from "../queue/run-queue.js";
import { newRunToken } from "../run-tokens.js";
import { findCandidate } from "../runs.queries.js";
import { secretsOf } from "../run-variables.js";
import { requireRun, runHasEnded } from "./require-run.js";
import { runnerLimits } from "./queue-for-runner.js";
import type { RunnerRunDeps } from "./runner-run-deps.js";
import * as runnerRuns from "./runner-runs.queries.js";
import type { RunnerRun } from "./runner-runs.queries.js";

/**
 * Starts a run that was offered to a runner, and returns everything needed to execute it. A repetition before the
 * first heartbeat returns the same with another token. A run that can never start ends.
 * @throws AppError 404; 409 `run_not_offered`, `run_ended`; 409 `quota_exceeded`, `run_in_progress`, after which the
 * run is in the queue again; 409 `workspace_busy`; 503 `maintenance`
 */
export async function startOnRunner(
  deps: RunnerRunDeps,
  runnerId: string,
  runId: string,
): Promise<RunnerJob> {
  const { run, isRepeated } = await requireStartable(deps, runnerId, runId);
  const tenant = deps.db.tenant.bind(null, run.org_id);
  try {
    return await withRemoteWorkspace(deps.workspaces, run.org_id, run.agent_id, async (place) => {
      // The same request may have been sent twice, and the first one was answered meanwhile.
      const now = await requireStartable(deps, runnerId, runId).catch((error: unknown) => {
        throw error instanceof AppError ? new RefusedError(error) : error;
      });
      return startIn(deps, runnerId, now.run, place, now.isRepeated);
    });
  } catch (error) {
    if (error instanceof RefusedError) throw error.cause;
    if (violatedConstraint(error) === "runs_one_per_agent") {
      await tenant((tx) => runnerRuns.releaseOffer(tx, run.id, runnerId));
      throw runInProgress();
    }
    if (isTransient(error)) throw error;
    const { status, detail } = failureOf(error);
    if (!(error instanceof AppError)) {
      deps.log.error({ err: error, run: run.id }, "cannot start a queued run");
    }
    await tenant(async (tx) => {
      await endQueued(tx, { id: run.id }, status, detail);
      if (isRepeated) await managed.endUnstarted(tx, run.id, "failed", detail);
    });
    throw new AppError("run_ended", detail, { run_status: status });
  }
}

/** The request is refused, which does not end the run. */
class RefusedError extends Error {
  override readonly name = "RefusedError";
  override readonly cause: AppError;

  constructor(cause: AppError) {
    super(cause.message);
    this.cause = cause;
  }
}

/** @throws AppError 404; 409 `run_not_offered`, `run_ended` */
async function requireStartable(
  deps: RunnerRunDeps,
  runnerId: string,
  runId: string,
): Promise<{ run: RunnerRun; isRepeated: boolean }> {
  const run = await requireRun(deps.db, runnerId, runId);
  if (run.status !== "queued" && run.status !== "running") throw runHasEnded(run);
  const isRepeated = run.is_unheard && !(await hasLog(deps, run));
  if (!run.is_offered && !isRepeated) throw notOffered();
  return { run, isRepeated };
}

function notOffered(): AppError {
  return new AppError(
    "run_not_offered",
    "The run is not offered to this runner any more; ask for runs again.",
  );
}

/** Whether output has arrived, so that the runner works already. */
async function hasLog({ storage }: RunnerRunDeps, run: RunnerRun): Promise<boolean> {
  const found = await stat(storage.runLog(run.org_id, run.project, run.id)).catch(() => null);
  return found !== null && found.size > 0;
}

async function startIn(
  deps: RunnerRunDeps,
  runnerId: string,
  run: RunnerRun,
  place: RemotePlace,
  isRepeated: boolean,
): Promise<RunnerJob> {
  const { db, settings } = deps;
  const { workspace } = place;
  const given = openEnvironment(settings, run);
  const { token, hash: tokenHash } = newRunToken(settings.secret);
  const { secrets, setup, masked } = await secretsOf(deps, run, workspace.project_id, given, token);
  // A Job was made with the limits of its run.
  const limits = isRepeated || run.in_cluster ? run.limits : runnerLimits(settings);
  const start = { runnerId, tokenHash, limits, head: workspace.head_commit };
  if (isRepeated) {
    const isRestarted = await db.tenant(run.org_id, (tx) =>
      runnerRuns.restartUnheard(tx, run.id, start),
    );
    if (!isRestarted) throw new RefusedError(notOffered());
  } else {
    // A pod was started for its run, and would end without it.
    if (!run.in_cluster) await requireNoMaintenance(db);
    const claim = await db.change(run.org_id, systemOrigin, async (tx) => {
      await requireCallerPermission(tx, run);
      const wait = checkCapacity(await findCandidate(tx, run.agent_id), true);
      if (wait) {
        await runnerRuns.releaseOffer(tx, run.id, runnerId);
        return wait;
      }
      return { waitedSeconds: await runnerRuns.startOffered(tx, run.id, start) };
    });
    if ("error" in claim) throw new RefusedError(claim.error);
    if (claim.waitedSeconds === null) throw new RefusedError(notOffered());
    publish("runStarted", claim);
    // Others of the queue waited for this one.
    await deps.jobs.send("start-queued-runs", { org_id: run.org_id });
  }
  return describeJob(deps, { ...run, limits }, place, {
    token,
    env: { ...withoutModels(secrets), ...given },
    environment: setup && setupOf(setup),
    secrets: masked,
    model_providers: run.network === "none" ? [] : secrets.providers,
  });
}

/** Variables of models win over those of secrets, as in a run on a server. */
function withoutModels({ variables, providers }: RunSecrets): Record<string, string> {
  const ofModels = modelVariables(providers, "", "");
  return Object.fromEntries(Object.entries(variables).filter(([name]) => !(name in ofModels)));
}

function setupOf(setup: NewEnvironment): NonNullable<RunnerJob["environment"]> {
  const { setup_script, cache_key_files, network, allowed_hosts, variables } = setup;
  return { setup_script, cache_key_files, network, allowed_hosts, env: variables };
}

function describeJob(
  { settings }: RunnerRunDeps,
  run: RunnerRun,
  { workspace, baseCommit, defaultBranch, defaultCommit }: RemotePlace,
  secrets: Pick<RunnerJob, "token" | "env" | "environment" | "secrets" | "model_providers">,
): RunnerJob {
  const { auto_checkpoint, checkpoint_interval_minutes: minutes } = workspace;
  return {
    run_id: run.id,
    org_id: run.org_id,
    project_id: workspace.project_id,
    agent: { id: run.agent_id, name: workspace.agent_name },
    branch: workspace.branch_name,
    head_commit: workspace.head_commit,
    base_branch: workspace.base_branch,
    base_commit: baseCommit,
    default_branch: defaultBranch,
    default_commit: defaultCommit,
    command: run.command,
    preset: run.preset,
    ...secrets,
    key_prefix: settings.keyPrefix,
    network: run.network,
    allowed_hosts: run.allowed_hosts,
    private_hosts: settings.egressPrivateHosts,
    timeout_seconds: run.timeout_seconds,
    limits: run.limits,
    has_default_cpus: settings.runLimits.cpus === "auto",
    max_files: settings.runFiles,
    max_push_bytes: settings.maxPushMib * 1024 * 1024,
    stop_grace_seconds: settings.runStopGraceSeconds,
    checkpoint_seconds: auto_checkpoint && minutes !== null ? minutes * 60 : null,
    commits_at_end: auto_checkpoint,
  };
}
