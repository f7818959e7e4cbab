import type { Logger } from "pino";
import { systemOrigin, type Origin } from "../../../db/audit/audit.js";
import { notFound } from "../../../errors.js";
import type { OrgContext } from "../../../http/requests/request-context.js";
import { removeAgentMember } from "../../organization/members/index.js";
import { endRuns, waitForEnd } from "../../execution/run-ends/index.js";
import {
  archiveTerminated,
  saveWorkspace,
  type WorkspaceDeps,
} from "../../code/workspaces/index.js";
import * as queries from "./agents.queries.js";

/**
 * Terminates an agent: stops its run, archives its workspace, removes its membership and frees its
 * name. The row stays for the ledger of runs and for child agents. Termination is recorded first, so a
 * restart completes it.
 * @throws AppError 403 `privilege_escalation`; 404; 422 naming a path that cannot be committed
 */
export async function terminateAgent(
  deps: WorkspaceDeps,
  context: OrgContext,
  id: string,
): Promise<void> {
  const agent = await context.tx((tx) => queries.findAgent(tx, id));
  if (!agent) throw notFound();
  // An uncommittable path is rejected before anything changes.
  if (agent.status !== "terminated") await saveWorkspace(deps, context.orgId, id);
  await context.change(async (tx, audit, access) => {
    if (!(await queries.terminateAgent(tx, id))) return;
    await endRuns(tx, { agentId: id }, "The agent was terminated.");
    await removeAgentMember(tx, context.orgId, access, id);
    audit({ action: "agent.deleted", target: targetOf(agent) });
  });
  await finishTermination(deps, context.orgId, id, context);
}

/** Terminates an agent of a task that was canceled, which the caller has decided before. Idempotent. */
export async function terminateOfTask(
  deps: WorkspaceDeps,
  orgId: string,
  origin: Origin,
  id: string,
): Promise<void> {
  const agent = await deps.db.tenant(orgId, (tx) => queries.findAgent(tx, id));
  if (!agent) return;
  if (agent.status !== "terminated") await saveWorkspace(deps, orgId, id);
  await deps.db.change(orgId, origin, async (tx, audit) => {
    if (!(await queries.terminateAgent(tx, id))) return;
    await endRuns(tx, { agentId: id }, "Its task was canceled.");
    await removeAgentMember(tx, orgId, null, id);
    audit({ action: "agent.deleted", target: targetOf(agent) });
  });
  await finishTermination(deps, orgId, id, origin);
}

const targetOf = ({ id, name }: queries.AgentRow) => ({ type: "agent", id, name }) as const;

/** The name is freed last, because the workspace folder is named after it. */
async function finishTermination(
  deps: WorkspaceDeps,
  orgId: string,
  id: string,
  origin: Origin,
): Promise<void> {
  await waitForEnd(deps.db, orgId, { agentId: id });
  await archiveTerminated(deps, orgId, id, origin);
  await deps.db.tenant(orgId, (tx) => queries.releaseName(tx, id));
}

/** Completes terminations of this node that a restart interrupted. */
export async function recoverTerminations(deps: WorkspaceDeps, log: Logger): Promise<void> {
  const unfinished = await deps.db.withSystem("recover interrupted terminations", (db) =>
    queries.listUnfinishedTerminations(db, deps.db.node.id),
  );
  for (const { org_id, id } of unfinished) {
    try {
      await finishTermination(deps, org_id, id, systemOrigin);
    } catch (error) {
      log.error(
        { err: error, agent: id },
        "cannot complete an agent's termination; the next start retries",
      );
    }
  }
}
