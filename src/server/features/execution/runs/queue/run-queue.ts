import { systemOrigin } from "../../../../db/audit/audit.js";
import { violatedConstraint, type Queryable } from "../../../../db/connection/connect.js";
import { isDatabaseError } from "../../../../db/connection/failures.js";
import { isStillAllowed } from "../../../../access/original-caller.js";
import type { Run } from "#shared/api/execution/runs.js";
import { AppError } from "../../../../errors.js";
import { publish } from "#shared/node/measurements.js";
import { purposes, decrypt } from "../../../../encrypt.js";
import { withWorkspaceToRun } from "../../../code/workspaces/index.js";
import { endQueued } from "../../run-ends/index.js";
import * as managed from "../managed-runs.queries.js";
import type { QueuedRun } from "../managed-runs.queries.js";
import { findCandidate, type Candidate } from "../runs.queries.js";
import { checkCapacity } from "./reserve-run.js";
import type { RunDeps } from "../run-deps.js";
import { secretsOf } from "../run-variables.js";
import { launchIn, runsCommands, sandboxFor, uidOf } from "../start-run.js";

/**
 * Starts an organization's queued runs while slots are free, and lets the home of the next one go on if that
 * is another node, so that the order holds for all. A job for any process of a node, enqueued whenever a slot
 * may be free.
 */
export async function startQueuedRuns(
  deps: RunDeps,
  { org_id: orgId }: { org_id: string },
): Promise<void> {
  const nodeId = deps.db.node.id;
  while (deps.supervisor.accepts && runsCommands(deps) && !(await deps.db.maintenance())) {
    const next = await deps.db.tenant(orgId, (tx) => managed.nextQueued(tx, orgId, nodeId));
    if (!next) return;
    if (next.home_node !== nodeId) return passOn(deps, next);
    try {
      if (!(await startQueuedRun(deps, next))) return;
    } catch (error) {
      // Another process started a run of this agent first.
      if (violatedConstraint(error) === "runs_one_per_agent") continue;
      if (isTransient(error)) throw error;
      const { status, detail } = failureOf(error);
      if (!(error instanceof AppError)) {
        deps.log.error({ err: error, run: next.id }, "cannot start a queued run");
      }
      await deps.db.tenant(orgId, (tx) => endQueued(tx, { id: next.id }, status, detail));
    }
  }
}

/** Lets another node start its run if a slot is free for it. */
async function passOn({ db, jobs }: RunDeps, { org_id, agent_id, home_node }: QueuedRun) {
  const agent = await db.tenant(org_id, (tx) => findCandidate(tx, agent_id));
  if (canEndQueued(agent)) await jobs.sendTo(home_node, "start-queued-runs", { org_id });
}

/** Whether a queued run can start, or fail because it never can. */
function canEndQueued(agent: Candidate | undefined): boolean {
  try {
    return checkCapacity(agent, true) === null;
  } catch {
    return true;
  }
}

/** @throws AppError 503 when the installation's secret was changed */
export function openEnvironment(
  { secret }: Pick<RunDeps["settings"], "secret">,
  { id, sealed_env }: Pick<QueuedRun, "id" | "sealed_env">,
): Record<string, string> {
  const plain = sealed_env && decrypt(secret, purposes.runEnvironment, id, sealed_env);
  if (!plain) {
    throw new AppError(
      "unavailable",
      "Its environment cannot be decrypted because the installation's secret was changed; start the run again.",
    );
  }
  return JSON.parse(plain.toString()) as Record<string, string>;
}

/** Whether a retry of a start may succeed; other errors would block the queue permanently. */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof AppError)) return isDatabaseError(error);
  return ["workspace_busy", "home_unavailable", "maintenance"].includes(error.code);
}

/** Returns how a run ends that could not start. */
export function failureOf(error: unknown): Pick<Run, "status"> & { detail: string } {
  if (!(error instanceof AppError)) {
    return {
      status: "failed",
      detail: "It could not be started; the operator can find the cause in the server's log.",
    };
  }
  const status = error.code === "quota_exceeded" ? "quota_exceeded" : "failed";
  return { status, detail: error.message };
}

/**
 * Returns false when no slot is free.
 * @throws AppError when it may no longer start
 */
async function startQueuedRun(deps: RunDeps, queued: QueuedRun): Promise<boolean> {
  const { db, supervisor, settings } = deps;
  const { origin: _origin, sealed_env: _sealed, home_node: _home, ...asked } = queued;
  const given = openEnvironment(settings, queued);
  const { token, hash } = supervisor.newToken();
  return withWorkspaceToRun(
    deps.workspaces,
    asked.org_id,
    asked.agent_id,
    uidOf(deps),
    deps.saveLost,
    async (place) => {
      // Chosen for it since the run was taken from the queue, which now leaves it out.
      if (place.isWaiting) return true;
      const { secrets, masker } = await secretsOf(deps, asked, place.projectId, given, token);
      // The limits at the time of the request may belong to another machine or an earlier
      // configuration.
      const { sandbox, ...held } = sandboxFor(deps, place, asked.network);
      const run = { ...asked, ...held };
      const claim = await db.change(run.org_id, systemOrigin, async (tx) => {
        await requireCallerPermission(tx, queued);
        if (checkCapacity(await findCandidate(tx, run.agent_id), true)) return "no free slot";
        const by = { server_id: supervisor.serverId, token_hash: hash };
        return { waitedSeconds: await managed.startQueued(tx, run, by) };
      });
      if (claim !== "no free slot" && claim.waitedSeconds !== null) {
        publish("runStarted", claim);
        await supervisor.launch({
          ...launchIn(place),
          run,
          waitedSeconds: claim.waitedSeconds,
          env: given,
          secrets,
          token,
          masker,
          conversation: null,
          sandbox,
        });
      }
      return claim !== "no free slot";
    },
  );
}

/**
 * The requesting caller must still have the permission through a valid credential.
 * @throws AppError 403
 */
export async function requireCallerPermission(
  tx: Queryable,
  { origin, org_id, network }: Pick<QueuedRun, "origin" | "org_id" | "network">,
): Promise<void> {
  const needed = [
    "agent:run",
    ...(network === "full" ? (["agent:network:full"] as const) : []),
  ] as const;
  const held = await Promise.all(
    needed.map((permission) => isStillAllowed(tx, origin, org_id, permission)),
  );
  if (held.every(Boolean)) return;
  throw new AppError(
    "insufficient_permission",
    "The caller who requested it may no longer start runs of this agent.",
  );
}
