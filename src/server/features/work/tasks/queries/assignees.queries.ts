import { eq, sql } from "drizzle-orm";
import type { Queryable } from "../../../../db/connection/connect.js";
import { taskAssignees } from "../../../../db/tables/task-tables.js";

/** A person who is assigned to a task. */
export interface AssignedPerson {
  id: string;
  name: string;
}

/** The people assigned to the task of a column, as JSON, by name. */
export const assignedPeople = (taskId: unknown) => sql<AssignedPerson[]>`(
  select coalesce(json_agg(json_build_object('id', u.id, 'name', coalesce(u.full_name, u.email))
    order by coalesce(u.full_name, u.email), u.id), '[]')
  from task_assignees x join users u on u.id = x.user_id where x.task_id = ${taskId})`;

/** Returns which of the users are people of an organization. */
export async function peopleAmong(
  tx: Queryable,
  orgId: string,
  userIds: readonly string[],
): Promise<Set<string>> {
  if (userIds.length === 0) return new Set();
  const { rows } = await tx.execute<{ id: string }>(sql`
    select u.id from memberships m join users u on u.id = m.user_id
    where m.org_id = ${orgId} and u.kind <> 'service'
      and u.id = any(${sql.param([...userIds])}::uuid[])`);
  return new Set(rows.map((row) => row.id));
}

/** Returns the ids of the people assigned to a task, in one order. */
export async function listAssigneeIds(tx: Queryable, taskId: string): Promise<string[]> {
  const rows = await tx
    .select({ id: taskAssignees.user_id })
    .from(taskAssignees)
    .where(eq(taskAssignees.task_id, taskId))
    .orderBy(taskAssignees.user_id);
  return rows.map((row) => row.id);
}

export async function setAssignees(
  tx: Queryable,
  orgId: string,
  taskId: string,
  userIds: readonly string[],
): Promise<void> {
  await tx.delete(taskAssignees).where(eq(taskAssignees.task_id, taskId));
  if (userIds.length === 0) return;
  await tx
    .insert(taskAssignees)
    .values(userIds.map((user_id) => ({ task_id: taskId, user_id, org_id: orgId })));
}
