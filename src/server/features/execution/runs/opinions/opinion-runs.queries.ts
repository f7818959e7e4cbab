import { eq } from "drizzle-orm";
import type { Queryable } from "../../../../db/connection/connect.js";
import { tasks } from "../../../../db/tables/task-tables.js";
import { runs } from "../../../../db/tables/tables.js";

/** Returns what a task asks for. */
export async function findTaskText(
  tx: Queryable,
  taskId: string,
): Promise<{ number: number; title: string; body: string }> {
  const [row] = await tx
    .select({ number: tasks.number, title: tasks.title, body: tasks.body })
    .from(tasks)
    .where(eq(tasks.id, taskId));
  return row ?? { number: 0, title: "", body: "" };
}

/** Records what the program of an opinion is asked. */
export async function recordPrompt(tx: Queryable, runId: string, prompt: string): Promise<void> {
  await tx.update(runs).set({ prompt }).where(eq(runs.id, runId));
}
