import { AppError, notFound } from "../../../errors.js";
import type { OrgContext } from "../../../http/requests/request-context.js";
import {
  hasHome,
  removeHome,
  workspaceLock,
  type WorkspaceDeps,
} from "../../code/workspaces/index.js";
import * as queries from "./agents.queries.js";

/**
 * Removes the home of an agent, which its next run gets anew. No run can start meanwhile: it would need the
 * workspace's lock. A missing home is not an error.
 * @throws AppError 403; 404; 409 `run_in_progress`, `workspace_busy`
 */
export async function clearHome(
  deps: WorkspaceDeps,
  context: OrgContext,
  id: string,
): Promise<void> {
  const place = [context.orgId, id] as const;
  await deps.db.locks(context.orgId, [workspaceLock(id)], async () => {
    const isThere = await hasHome(deps, place);
    await context.change(async (tx, audit) => {
      const agent = await queries.findAgent(tx, id);
      if (!agent) throw notFound();
      if (agent.status === "running") {
        throw new AppError("run_in_progress", "The agent is running; stop its run first.");
      }
      if (!isThere) return;
      audit({ action: "agent.home_cleared", target: { type: "agent", id, name: agent.name } });
    });
    await removeHome(deps, place);
  });
}
