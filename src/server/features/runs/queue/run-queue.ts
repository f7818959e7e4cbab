import { systemOrigin, type Origin } from "../../../db/audit/audit.js";
import { violatedConstraint, type Queryable } from "../../../db/connection/connect.js";
import { isDatabaseError } from "../../../db/connection/failures.js";
import type { Actor } from "../../../access/authenticate.js";
import { readAccess } from "../../../access/current-access.js";
import { allows } from "../../../access/access.js";
import type { Run } from "#shared/api/runs.js";
import { AppError } from "../../../errors.js";
import { publish } from "#shared/node/measurements.js";
import { purposes, decrypt } from "../../../encrypt.js";
import { withWorkspaceToRun } from "../../workspaces/index.js";
import * as managed from "../managed-runs.queries.js";
import type { QueuedRun } from "../managed-runs.queries.js";
import { lookForPlace } from "./reserve-run.js";
import type { RunDeps } from "../run-deps.js";
import { maskerFor, runsCommands, sandboxFor, uidOf } from "../start-run.js";

/**
 * Starts what waits in an organization's queue for as long as there are places; run by the job queue, in
 * any process, whenever one may have become free.
 */
export async function startQueuedRuns(
  deps: RunDeps,
  { org_id: orgId }: { org_id: string },
): Promise<void> {
  while (deps.supervisor.accepts && runsCommands(deps)) {
    const next = await deps.db.tenant(orgId, (tx) => managed.nextQueued(tx, orgId));
    if (!next) return;
    try {
      if (!(await startQueuedRun(deps, next))) return;
    } catch (error) {
      // Another process was quicker with a run of this agent.
      if (violatedConstraint(error) === "runs_one_per_agent") continue;
      if (isPassing(error)) throw error;
      const { status, detail } = refusalOf(error);
      if (!(error instanceof AppError)) {
        deps.log.error({ err: error, run: next.id }, "a queued run could not be started");
      }
      await deps.db.tenant(orgId, (tx) => managed.endQueued(tx, { id: next.id }, status, detail));
    }
  }
}

/** Whether the next attempt may succeed; other errors would keep the queue from going on for good. */
function isPassing(error: unknown): boolean {
  return error instanceof AppError ? error.code === "workspace_busy" : isDatabaseError(error);
}

function refusalOf(error: unknown): Pick<Run, "status"> & { detail: string } {
  if (!(error instanceof AppError)) {
    return { status: "failed", detail: "It could not be started; the server's log says why." };
  }
  const status = error.code === "quota_exceeded" ? "quota_exceeded" : "failed";
  return { status, detail: error.message };
}

/** False where there is no place for it. @throws AppError where it may not start any more */
async function startQueuedRun(deps: RunDeps, queued: QueuedRun): Promise<boolean> {
  const { db, supervisor, settings } = deps;
  const { origin, sealed_env, ...asked } = queued;
  const plain =
    sealed_env && decrypt(settings.secret, purposes.runEnvironment, asked.id, sealed_env);
  if (!plain) {
    throw new AppError(
      "unavailable",
      "Its environment cannot be opened any more, since the installation's secret was changed; start it again.",
    );
  }
  const env = JSON.parse(plain.toString()) as Record<string, string>;
  const { token, hash } = supervisor.newToken();
  const masker = maskerFor(deps, env, token);
  return withWorkspaceToRun(
    deps.workspaces,
    asked.org_id,
    asked.agent_id,
    uidOf(deps),
    async (place) => {
      const { folder, projectId, uid } = place;
      // The limits of when it was asked for may be another machine's, or of before a restart.
      const { sandbox, ...held } = sandboxFor(deps, place, asked.network);
      const run = { ...asked, ...held };
      const claim = await db.change(run.org_id, systemOrigin, async (tx) => {
        await refuseLostPermission(tx, queued);
        if (await lookForPlace(tx, run.agent_id, true)) return "no place";
        const by = { server_id: supervisor.serverId, token_hash: hash };
        return { waitedSeconds: await managed.startQueued(tx, run, by) };
      });
      if (claim !== "no place" && claim.waitedSeconds !== null) {
        publish("runStarted", claim);
        await supervisor.launch({ run, projectId, folder, uid, env, token, masker, sandbox });
      }
      return claim !== "no place";
    },
  );
}

/** The caller who asked for the run must still hold the permission, by a credential in force. @throws AppError 403 */
async function refuseLostPermission(tx: Queryable, { origin, org_id }: QueuedRun): Promise<void> {
  const actor = origin?.actor ? actorAgain(origin.actor) : null;
  const access = actor && (await readAccess(tx, actor, org_id).catch(nullIfRefused));
  if (access && allows(access, "agent:run")) return;
  throw new AppError(
    "insufficient_permission",
    "Whoever asked for it may not start runs of this agent any more.",
  );
}

/** The caller of an earlier request; scopes are read anew where access is judged. */
function actorAgain({ userId, agent, key }: NonNullable<Origin["actor"]>): Actor {
  const unknown = {
    scopes: [],
    shutOutOf: [],
    perMinute: null,
    used: () => {},
    answered: () => {},
  };
  return { userId, agent, session: null, key: key && { id: key.id, ...unknown } };
}

function nullIfRefused(error: unknown): null {
  if (error instanceof AppError) return null;
  throw error;
}
