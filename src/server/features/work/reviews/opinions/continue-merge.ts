import { sendAdvance, type OpinionRow } from "../../../code/workspaces/index.js";
import type { RunDeps } from "../../../execution/runs/start.js";
import { findBranchesOf } from "./opinion-merges.queries.js";

/** Lets the merge of the reviewed change go on, which may have waited for an opinion. */
export async function continueMerge(
  deps: RunDeps,
  { org_id, project_id, agent_id }: Pick<OpinionRow, "org_id" | "project_id" | "agent_id">,
): Promise<void> {
  const branches = await deps.db.tenant(org_id, (tx) => findBranchesOf(tx, agent_id));
  for (const branch of branches) await sendAdvance(deps.workspaces, { org_id, project_id, branch });
}
