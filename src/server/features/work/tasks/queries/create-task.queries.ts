import { and, eq, isNull, sql } from "drizzle-orm";
import type { Queryable } from "../../../../db/connection/connect.js";
import { agents, organizations, projects } from "../../../../db/tables/tables.js";
import { taskAttempts, tasks } from "../../../../db/tables/task-tables.js";

/** Returns the next number of a project. The caller holds the organization's lock. */
export async function nextNumber(tx: Queryable, projectId: string): Promise<number> {
  const { rows } = await tx.execute<{ next: number }>(
    sql`select coalesce(max(number), 0) + 1 as next from tasks where project_id = ${projectId}`,
  );
  return rows[0]?.next ?? 1;
}

export async function insertTask(tx: Queryable, values: typeof tasks.$inferInsert): Promise<void> {
  await tx.insert(tasks).values(values);
}

export async function insertTasks(
  tx: Queryable,
  values: (typeof tasks.$inferInsert)[],
): Promise<void> {
  if (values.length > 0) await tx.insert(tasks).values(values);
}

export async function isNameTaken(tx: Queryable, orgId: string, name: string): Promise<boolean> {
  const rows = await tx
    .select({ id: agents.id })
    .from(agents)
    .where(and(eq(agents.org_id, orgId), eq(agents.name, name), eq(agents.name_released, false)));
  return rows.length > 0;
}

/** The project's fields that a new task needs. */
export async function findProjectForTask(tx: Queryable, projectId: string) {
  const [row] = await tx
    .select({
      name: projects.name,
      path: sql<string>`(select o.slug from organizations o where o.id = ${projects.org_id}) || '/' || ${projects.slug}`,
      status: projects.status,
      default_branch: projects.default_branch,
      default_preset: projects.default_preset,
      default_model: projects.default_model,
      hold_untrusted_tasks: projects.hold_untrusted_tasks,
    })
    .from(projects)
    .where(and(eq(projects.id, projectId), isNull(projects.deleted_at)));
  return row;
}

/** Whether a user is a member of an organization. */
export async function isMember(tx: Queryable, orgId: string, userId: string): Promise<boolean> {
  const { rows } = await tx.execute(
    sql`select from memberships where org_id = ${orgId} and user_id = ${userId}`,
  );
  return rows.length > 0;
}

/** Returns the task that an agent works on; undefined without one. */
export async function findTaskOfAgent(tx: Queryable, agentId: string) {
  const [row] = await tx
    .select({ id: tasks.id, trust: tasks.trust })
    .from(taskAttempts)
    .innerJoin(tasks, eq(tasks.id, taskAttempts.task_id))
    .where(eq(taskAttempts.agent_id, agentId));
  return row;
}

/** Returns how many tasks lie above one, itself included. */
export async function depthOf(tx: Queryable, id: string): Promise<number> {
  const { rows } = await tx.execute<{ depth: number }>(sql`
    with recursive above (id, depth) as (
      select ${id}::uuid, 1
      union all select t.parent_task_id, depth + 1 from above join tasks t on t.id = above.id
      where t.parent_task_id is not null and depth < 10)
    select max(depth)::int as depth from above`);
  return rows[0]?.depth ?? 1;
}

export async function countOpenChildren(tx: Queryable, id: string): Promise<number> {
  return tx.$count(tasks, and(eq(tasks.parent_task_id, id), isNull(tasks.resolution)));
}

/** Returns how many open child tasks a task of an organization may have. */
export async function maxOpenChildren(tx: Queryable, orgId: string): Promise<number> {
  const [row] = await tx
    .select({ max: organizations.max_open_child_tasks })
    .from(organizations)
    .where(eq(organizations.id, orgId));
  return row?.max ?? 0;
}
