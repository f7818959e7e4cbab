import { and, asc, eq, sql } from "drizzle-orm";
import type { Agent } from "#shared/api/agents.js";
import type { Queryable } from "../../db/connect.js";
import { agents, workspaces } from "../../db/tables.js";

const status = sql<Agent["status"]>`case when ${agents.terminated_at} is not null then 'terminated'
  when exists (select from runs r where r.agent_id = ${agents.id} and r.ended_at is null) then 'running'
  else 'idle' end`;

/** Archived too: its branch comes back when it is restored. */
const hasBranch = sql`${workspaces.status} <> 'expired'`;

const agentColumns = {
  id: agents.id,
  organization_id: agents.org_id,
  project_id: agents.project_id,
  name: agents.name,
  description: agents.description,
  status,
  parent_agent_id: agents.parent_agent_id,
  workspace_branch: workspaces.branch_name,
  created_at: agents.created_at,
  updated_at: agents.updated_at,
};

function selectAgents(tx: Queryable) {
  return tx
    .select(agentColumns)
    .from(agents)
    .leftJoin(workspaces, and(eq(workspaces.agent_id, agents.id), hasBranch));
}

/** @throws a unique violation of `agents_org_name_key` */
export async function insertAgent(
  tx: Queryable,
  values: {
    id: string;
    org_id: string;
    project_id: string;
    name: string;
    description: string | null;
    parent_agent_id: string | null;
  },
): Promise<void> {
  await tx.insert(agents).values(values);
}

export async function findAgent(tx: Queryable, id: string): Promise<Agent | undefined> {
  const [row] = await selectAgents(tx).where(eq(agents.id, id));
  return row;
}

export async function listAgents(
  db: Queryable,
  orgIds: string[],
  filter: { project_id?: string | undefined; status?: Agent["status"] | undefined; after: string },
  limit: number,
): Promise<Agent[]> {
  return selectAgents(db)
    .where(
      and(
        sql`${agents.org_id} = any(${sql.param(orgIds)}::uuid[])`,
        filter.project_id === undefined ? undefined : eq(agents.project_id, filter.project_id),
        filter.status === undefined ? undefined : sql`${status} = ${filter.status}`,
        filter.after === "" ? undefined : sql`${agents.id} > ${filter.after}`,
      ),
    )
    .orderBy(asc(agents.id))
    .limit(limit);
}

export async function updateAgent(
  tx: Queryable,
  id: string,
  changes: { description?: string | null },
): Promise<void> {
  await tx
    .update(agents)
    .set({ ...changes, updated_at: sql`now()` })
    .where(eq(agents.id, id));
}
