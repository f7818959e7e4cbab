import { sql } from "drizzle-orm";
import type { Queryable } from "../../../../db/connection/connect.js";

/** Lists the branches that open merges of an agent's work go into. */
export async function findBranchesOf(tx: Queryable, agentId: string): Promise<string[]> {
  const { rows } = await tx.execute<{ target_branch: string }>(sql`
    select distinct target_branch from merge_requests
    where agent_id = ${agentId} and kind = 'merge' and ended_at is null`);
  return rows.map(({ target_branch }) => target_branch);
}
