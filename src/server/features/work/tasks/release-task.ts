import { isPerson } from "../../../access/authenticate.js";
import { AppError } from "../../../errors.js";
import type { CallerContext } from "../../../http/requests/request-context.js";
import { targetOf } from "./create-task.js";
import { finished } from "./direct-task.js";
import { requireTask } from "./read-task.js";
import * as queries from "./tasks.queries.js";

/**
 * Lets a task start whose text is by people from outside. The watch of tasks starts it. A task that was released before
 * stays as it is.
 * @throws AppError 403 for a caller that is no person; 404; 409 `task_finished`
 */
export async function releaseTask(context: CallerContext, id: string): Promise<void> {
  await context.change(async (tx, audit) => {
    const task = await requireTask(tx, context.actor, id);
    if (!isPerson(context.actor)) {
      throw new AppError("insufficient_permission", "Only a person releases a task.");
    }
    if (task.held_since === null) return;
    if (task.resolution !== null) throw finished(task);
    await queries.updateTask(tx, id, { held_since: null });
    await queries.refreshTask(tx, id);
    audit({ action: "task.released", target: targetOf(task) });
  });
}
