import type { Logger } from "pino";
import { systemOrigin, type Origin } from "../../db/audit/audit.js";
import { notFound } from "../../errors.js";
import type { OrgContext } from "../../http/register-routes.js";
import { removeAgentMember } from "../members/index.js";
import { endRuns, waitForEnd } from "../runs/index.js";
import { archiveForGood, saveWorkspace, type WorkspaceDeps } from "../workspaces/index.js";
import * as queries from "./agents.queries.js";

/**
 * Terminates an agent: its run is stopped, its workspace archived, its membership removed and its name
 * free again. Its row stays, and names it in the ledger of runs and to its children. It is noted first
 * and finished from then on, by a restart if need be.
 * @throws AppError 403 `privilege_escalation`; 404; 422 naming a path that cannot be saved
 */
export async function terminateAgent(
  deps: WorkspaceDeps,
  context: OrgContext,
  id: string,
): Promise<void> {
  const agent = await context.tx((tx) => queries.findAgent(tx, id));
  if (!agent) throw notFound();
  // What would refuse to be saved refuses while nothing has changed yet.
  if (agent.status !== "terminated") await saveWorkspace(deps, context.orgId, id);
  await context.change(async (tx, audit, access) => {
    if (!(await queries.terminateAgent(tx, id))) return;
    await endRuns(tx, { agentId: id }, "The agent was terminated.");
    await removeAgentMember(tx, context.orgId, access, id);
    audit({ action: "agent.deleted", target: targetOf(agent) });
  });
  await finishTermination(deps, context.orgId, id, context);
}

const targetOf = ({ id, name }: queries.AgentRow) => ({ type: "agent", id, name }) as const;

/** The name is given away last: a folder is named after it. */
async function finishTermination(
  deps: WorkspaceDeps,
  orgId: string,
  id: string,
  origin: Origin,
): Promise<void> {
  await waitForEnd(deps.db, orgId, { agentId: id });
  await archiveForGood(deps, orgId, id, origin);
  await deps.db.tenant(orgId, (tx) => queries.releaseName(tx, id));
}

/** Finishes terminations that an earlier process left in between. */
export async function recoverTerminations(deps: WorkspaceDeps, log: Logger): Promise<void> {
  const unfinished = await deps.db.withSystem("settle unfinished terminations", (db) =>
    queries.listUnfinishedTerminations(db),
  );
  for (const { org_id, id } of unfinished) {
    try {
      await finishTermination(deps, org_id, id, systemOrigin);
    } catch (error) {
      log.error(
        { err: error, agent: id },
        "an agent's end is unfinished; the next start tries again",
      );
    }
  }
}
