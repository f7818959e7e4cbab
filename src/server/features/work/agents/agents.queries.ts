import { and, asc, eq, isNotNull, isNull, sql } from "drizzle-orm";
import type { Agent, AgentTask } from "#shared/api/work/agents.js";
import { isHome } from "../../../cluster/home-of.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { agents, projects } from "../../../db/tables/tables.js";
import { workspaces } from "../../../db/tables/workspace-tables.js";

const status = sql<Agent["status"]>`case when ${agents.terminated_at} is not null then 'terminated'
  when exists (select from runs r where r.agent_id = ${agents.id} and r.status = 'running'
    and r.kind not in ('check', 'review')) then 'running'
  else 'idle' end`;

/** Includes archived workspaces: restoring one brings its branch back. */
const hasBranch = sql`${workspaces.status} <> 'expired'`;

/** Agents of deleted projects remain visible in the ledger only. */
const ofActiveProject = sql`exists (select from projects p where p.id = ${agents.project_id} and p.deleted_at is null)`;

/** An agent without its runs. */
export type AgentRow = Omit<Agent, "current_run" | "queued_run" | "last_run">;

const agentColumns = {
  id: agents.id,
  organization_id: agents.org_id,
  project_id: agents.project_id,
  name: agents.name,
  description: agents.description,
  task: sql<
    Agent["task"]
  >`case when ${agents.task_title} is not null then json_build_object('title', ${agents.task_title}, 'text', ${agents.task_text}) end`,
  status,
  parent_agent_id: agents.parent_agent_id,
  workspace_branch: workspaces.branch_name,
  workspace_type: workspaces.workspace_type,
  max_model_cost_usd: agents.max_model_cost_usd,
  max_model_tokens: agents.max_model_tokens,
  created_at: agents.created_at,
  updated_at: agents.updated_at,
};

function selectAgents(tx: Queryable) {
  return tx
    .select(agentColumns)
    .from(agents)
    .leftJoin(workspaces, and(eq(workspaces.agent_id, agents.id), hasBranch));
}

/** @throws unique violation of `agents_org_name_key` */
export async function insertAgent(
  tx: Queryable,
  values: {
    id: string;
    org_id: string;
    project_id: string;
    name: string;
    description: string | null;
    parent_agent_id: string | null;
    task: AgentTask | null;
  },
): Promise<void> {
  const { task, ...columns } = values;
  await tx.insert(agents).values({ ...columns, ...taskColumns(task) });
}

const taskColumns = (task: AgentTask | null) => ({
  task_title: task?.title ?? null,
  task_text: task?.text ?? null,
});

export async function findAgent(tx: Queryable, id: string): Promise<AgentRow | undefined> {
  const [row] = await selectAgents(tx).where(eq(agents.id, id));
  return row;
}

export async function listAgents(
  db: Queryable,
  orgIds: string[],
  filter: {
    project_id?: string | undefined;
    status?: Agent["status"] | undefined;
    only?: string | undefined;
    after: string | null;
  },
  limit: number,
): Promise<AgentRow[]> {
  const [orgId, ...others] = orgIds;
  // The planner takes a list for ten organizations, and their agents for many.
  const isReadable =
    orgId !== undefined && others.length === 0
      ? eq(agents.org_id, orgId)
      : sql`${agents.org_id} = any(${sql.param(orgIds)}::uuid[])`;
  return selectAgents(db)
    .where(
      and(
        isReadable,
        filter.project_id === undefined ? undefined : eq(agents.project_id, filter.project_id),
        filter.status === undefined
          ? isNull(agents.terminated_at)
          : sql`${status} = ${filter.status}`,
        ofActiveProject,
        filter.only === undefined ? undefined : eq(agents.id, filter.only),
        filter.after === null ? undefined : sql`${agents.id} > ${filter.after}`,
      ),
    )
    .orderBy(asc(agents.id))
    .limit(limit);
}

export async function updateAgent(
  tx: Queryable,
  id: string,
  {
    task,
    ...changes
  }: Partial<Pick<Agent, "description" | "task" | "max_model_cost_usd" | "max_model_tokens">>,
): Promise<void> {
  await tx
    .update(agents)
    .set({
      ...changes,
      ...(task !== undefined && taskColumns(task)),
      updated_at: sql`now()`,
    })
    .where(eq(agents.id, id));
}

/**
 * Whether the project exists and is not deleted. With the organization's lock held, the answer stays
 * valid.
 */
export async function isActiveProject(tx: Queryable, projectId: string): Promise<boolean> {
  const [row] = await tx
    .select({ deleted_at: projects.deleted_at })
    .from(projects)
    .where(eq(projects.id, projectId));
  return row?.deleted_at === null;
}

/** Marks an agent as terminated. Returns false if it already was. */
export async function terminateAgent(tx: Queryable, id: string): Promise<boolean> {
  const terminated = await tx
    .update(agents)
    .set({ terminated_at: sql`now()`, updated_at: sql`now()` })
    .where(and(eq(agents.id, id), isNull(agents.terminated_at)))
    .returning({ id: agents.id });
  return terminated.length === 1;
}

/** Frees a terminated agent's name for reuse. */
export async function releaseName(tx: Queryable, id: string): Promise<void> {
  await tx
    .update(agents)
    .set({ name_released: true })
    .where(and(eq(agents.id, id), eq(agents.name_released, false)));
}

/**
 * Returns agents of all organizations whose termination was interrupted. Requires a system transaction.
 */
export async function listUnfinishedTerminations(
  db: Queryable,
  nodeId: string,
): Promise<{ id: string; org_id: string }[]> {
  return db
    .select({ id: agents.id, org_id: agents.org_id })
    .from(agents)
    .where(
      and(
        isNotNull(agents.terminated_at),
        eq(agents.name_released, false),
        ofActiveProject,
        isHome(nodeId, agents.project_id),
      ),
    );
}
