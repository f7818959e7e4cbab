import { authorOf } from "../../../../access/author.queries.js";
import type { NewRun, Run, RunLimits } from "#shared/api/execution/runs.js";
import { originOf } from "../../../../db/audit/audit.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import { newId } from "../../../../db/tables/columns.js";
import { AppError, invalidField } from "../../../../errors.js";
import type { CallerContext } from "../../../../http/requests/request-context.js";
import { requireCluster } from "../../runners/index.js";
import { requireRemote } from "../../../code/workspaces/index.js";
import * as managed from "../managed-runs.queries.js";
import type { ResolvedRun } from "../presets/resolve-preset.js";
import type { RunDeps } from "../run-deps.js";
import { newRunToken } from "../run-tokens.js";
import * as queries from "../runs.queries.js";
import { sealEnvironment, secretsOf } from "../run-variables.js";
import { checkCapacity, requireQueueSpace } from "../queue/reserve-run.js";
import * as runnerRuns from "./runner-runs.queries.js";
import type { RunSettings } from "../run-settings.js";

/**
 * Queues a run of a workspace without a folder until a runner or the cluster takes it.
 * @throws AppError 404 `workspace_missing`; 409 `workspace_remote` without a runner, `workspace_not_active`, `quota_exceeded`,
 * `run_in_progress`, `queue_full`, `network_not_isolated` in the cluster; 422 `kubernetes_unavailable`, when the
 * environment is too large to be masked, or for labels of a run in the cluster
 */
export async function queueForRunner(
  deps: RunDeps,
  context: CallerContext,
  agentId: string,
  wanted: NewRun,
  resolved: ResolvedRun,
  inCluster: boolean,
): Promise<Run> {
  const { orgId } = context;
  const { settings } = deps;
  const id = newId();
  const given = wanted.env ?? {};
  const labels = [...new Set(wanted.runner_labels)].toSorted();
  if (inCluster && labels.length > 0) {
    throw invalidField(
      "runner_labels",
      "applies to a remote workspace; this one runs in the cluster",
    );
  }
  const { command, preset, prompt, model, network, allowed_hosts } = resolved;
  const workspace = await context.tx((tx) => requireRemote(tx, agentId));
  const { token } = newRunToken(settings.secret);
  const asked = { org_id: orgId, agent_id: agentId, preset, allowed_hosts };
  // Refused now, and not when a runner starts it.
  await secretsOf(deps, asked, workspace.project_id, given, token);
  const findCandidate = (tx: Queryable) => queries.findCandidate(tx, agentId);
  await context.change(async (tx, audit, _access, candidate) => {
    const { agent_name: name } = await requireRemote(tx, agentId);
    if (inCluster) await requireCluster(tx, network);
    else if (!(await runnerRuns.hasRunner(tx, orgId))) throw noRunner();
    const wait = checkCapacity(candidate, false);
    if (wait && wanted.queue !== true) throw wait.error;
    await requireQueueSpace(tx, orgId);
    audit({
      action: "run.started",
      target: { type: "agent", id: agentId, name },
      changes: {
        run_id: { from: null, to: id },
        ...(preset && { preset: { from: null, to: preset } }),
        network: { from: null, to: network },
        ...(allowed_hosts && { allowed_hosts: { from: null, to: allowed_hosts } }),
        ...(!inCluster && { runner_labels: { from: null, to: labels } }),
      },
    });
    await managed.insertQueued(tx, {
      ...asked,
      id,
      kind: "managed",
      agent_id: agentId,
      project_id: null,
      command,
      prompt,
      model,
      network,
      timeout_seconds: wanted.timeout_seconds ?? settings.runTimeoutSeconds,
      limits: runnerLimits(settings),
      runner_labels: labels,
      in_cluster: inCluster,
      started_by: authorOf(context),
      origin: originOf(context),
      env_names: Object.keys(given).toSorted(),
      sealed_env: sealEnvironment(settings, id, given),
      detail: inCluster ? "Waiting for the cluster." : explainWait(labels),
    });
  }, findCandidate);
  return (await context.tx((tx) => queries.findRun(tx, id))) as Run;
}

function noRunner(): AppError {
  return new AppError(
    "workspace_remote",
    "The workspace has no folder on this server for a command to run in, and no runner takes the organization's runs; register a runner, or start the run with external: true.",
  );
}

function explainWait(labels: readonly string[]): string {
  if (labels.length === 0) return "Waiting for a runner.";
  return `Waiting for a runner with the ${labels.length === 1 ? "label" : "labels"} ${labels.join(", ")}.`;
}

const DEFAULT_CPUS = 2;

/** Returns the limits of runs on runners, whose machines are not known. */
export function runnerLimits({ runLimits }: Pick<RunSettings, "runLimits">): RunLimits {
  const { cpus } = runLimits;
  return { ...runLimits, cpus: cpus === "auto" ? DEFAULT_CPUS : cpus };
}
