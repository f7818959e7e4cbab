import { sql } from "drizzle-orm";
import type { AttentionItem } from "#shared/api/work/overview.js";
import type { Queryable } from "../../../db/connection/connect.js";

/** The task of an agent, and why it needs a person. */
export type TaskOfAgent = Pick<
  AttentionItem,
  "task_id" | "task_number" | "task_title" | "task_owner_id" | "task_owner_name"
> & { attention_kind: string | null };

/** Returns the tasks of agents, by agent; agents without one are left out. */
export async function tasksOfAgents(
  tx: Queryable,
  agentIds: readonly string[],
): Promise<ReadonlyMap<string, TaskOfAgent>> {
  if (agentIds.length === 0) return new Map();
  const { rows } = await tx.execute<
    TaskOfAgent & { agent_id: string } & Record<string, unknown>
  >(sql`
    select x.agent_id, t.id as task_id, t.number as task_number, t.title as task_title,
      t.owner_id as task_owner_id, coalesce(u.full_name, u.email) as task_owner_name,
      t.attention ->> 'kind' as attention_kind
    from task_attempts x
    join tasks t on t.id = x.task_id
    left join users u on u.id = t.owner_id
    where x.agent_id = any(${sql.param(agentIds)}::uuid[])`);
  return new Map(rows.map(({ agent_id, ...task }) => [agent_id, task]));
}
