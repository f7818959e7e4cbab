import { and, eq, inArray, sql } from "drizzle-orm";
import type { Queryable } from "../../../../db/connection/connect.js";
import { taskDependencies, tasks } from "../../../../db/tables/task-tables.js";

export async function setDependencies(
  tx: Queryable,
  orgId: string,
  id: string,
  dependsOn: readonly string[],
): Promise<void> {
  await tx.delete(taskDependencies).where(eq(taskDependencies.task_id, id));
  if (dependsOn.length === 0) return;
  await tx
    .insert(taskDependencies)
    .values(dependsOn.map((depends_on) => ({ task_id: id, depends_on, org_id: orgId })));
}

/** Returns which of the ids are tasks of a project. */
export async function tasksOfProject(
  tx: Queryable,
  projectId: string,
  ids: readonly string[],
): Promise<Set<string>> {
  if (ids.length === 0) return new Set();
  const rows = await tx
    .select({ id: tasks.id })
    .from(tasks)
    .where(and(eq(tasks.project_id, projectId), inArray(tasks.id, [...ids])));
  return new Set(rows.map((row) => row.id));
}

/** Whether one of the tasks waits, directly or through others, for a task. */
export async function wouldWaitForItself(
  tx: Queryable,
  id: string,
  dependsOn: readonly string[],
): Promise<boolean> {
  const { rows } = await tx.execute(sql`
    with recursive waits (id) as (
      select unnest(${sql.param([...dependsOn])}::uuid[])
      union select d.depends_on from waits join task_dependencies d on d.task_id = waits.id)
    select from waits where id = ${id} limit 1`);
  return rows.length > 0;
}

/** Whether a task depends on one that is not done. */
export async function isWaiting(tx: Queryable, id: string): Promise<boolean> {
  const { rows } = await tx.execute(sql`
    select from task_dependencies d join tasks t on t.id = d.depends_on
    where d.task_id = ${id} and t.resolution is distinct from 'done' limit 1`);
  return rows.length > 0;
}

/** Returns the branch that the newest of a task's dependencies was merged into; null without one. */
export async function branchOfDependencies(tx: Queryable, id: string): Promise<string | null> {
  const { rows } = await tx.execute<{ target_branch: string }>(sql`
    select merged.target_branch from task_dependencies d
    cross join lateral (
      select m.target_branch, m.created_at as at from task_attempts a
      join merges m on m.agent_id = a.agent_id and m.kind = 'merge' and m.state = 'done'
      where a.task_id = d.depends_on
      union all
      select q.base, q.merged_at from pull_requests q
      where q.task_id = d.depends_on and q.state = 'merged') merged
    where d.task_id = ${id} order by merged.at desc limit 1`);
  return rows[0]?.target_branch ?? null;
}
