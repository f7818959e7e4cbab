import type { Task } from "#shared/api/work/tasks.js";
import { authorOf } from "../../../access/author.queries.js";
import { originOf, type AuditWriter, type Origin } from "../../../db/audit/audit.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { newId } from "../../../db/tables/columns.js";
import type { AttemptLaunch } from "../../../db/tables/task-tables.js";
import type { CallerContext } from "../../../http/requests/request-context.js";
import { targetOf } from "./create-task.js";
import { insertTasks, nextNumber } from "./queries/create-task.queries.js";
import { refreshTask } from "./tasks.queries.js";

/** A task that starts after the transaction that creates it. */
export interface ReservedTask {
  project_id: string;
  title: string;
  body: string;
  labels: string[];
  owner_id: string | null;
  source: Task["source"];
  launch: AttemptLaunch;
  attempts: number;
  trust: Task["trust"];
  /** Whether it waits for a person who releases it. */
  isHeld: boolean;
  /** The request on whose behalf it is created, by the same actor as the caller's; null for the caller's. */
  origin: Origin | null;
}

/**
 * Creates tasks in a change of the organization. The watch of tasks starts them on behalf of the caller; what keeps one
 * from starting is shown as what the task needs. Its status is `open` until then, or `needs_you` until its release. Returns
 * their ids.
 */
export async function reserveTasks(
  tx: Queryable,
  audit: AuditWriter,
  context: CallerContext,
  reserved: readonly ReservedTask[],
): Promise<string[]> {
  const numbers = new Map<string, number>();
  for (const id of new Set(reserved.map(({ project_id }) => project_id))) {
    numbers.set(id, await nextNumber(tx, id));
  }
  const created_by = authorOf(context) as never;
  const rows = reserved.map(({ launch, attempts, origin, isHeld, ...task }) => {
    const number = numbers.get(task.project_id) ?? 1;
    numbers.set(task.project_id, number + 1);
    return {
      ...task,
      created_by,
      origin: origin ?? originOf(context),
      id: newId(),
      org_id: context.orgId,
      number,
      launch: { ...launch, attempts },
      held_since: isHeld ? new Date().toISOString() : null,
    };
  });
  await insertTasks(tx, rows);
  for (const row of rows) {
    if (row.held_since !== null) await refreshTask(tx, row.id);
    audit({
      action: "task.created",
      target: targetOf(row),
      changes: { project_id: { from: null, to: row.project_id } },
      origin: row.origin,
    });
  }
  return rows.map(({ id }) => id);
}
