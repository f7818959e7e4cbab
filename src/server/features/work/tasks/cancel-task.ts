import type { z } from "zod";
import type { tasks } from "#shared/api/work/tasks.js";
import type { Origin } from "../../../db/audit/audit.js";
import { AppError, notFound } from "../../../errors.js";
import type { CallerContext } from "../../../http/requests/request-context.js";
import { endRuns } from "../../execution/run-ends/index.js";
import type { RunDeps } from "../../execution/runs/start.js";
import { terminateOfTask } from "../agents/index.js";
import { targetOf } from "./create-task.js";
import { isVisible, requireTask, type CountChanges } from "./read-task.js";
import * as queries from "./tasks.queries.js";
import { countRunning, listAttempts } from "./queries/attempts.queries.js";
import { countOpenChildren } from "./queries/create-task.queries.js";
import { readAttempts, readTasks } from "./queries/read-tasks.queries.js";

type TaskLoss = z.output<typeof tasks.delete.response>;

/** Tells what the cancellation of a task stops, and which work is not merged. @throws AppError 404 */
export async function previewCancel(
  context: CallerContext,
  id: string,
  countChanges: CountChanges,
): Promise<TaskLoss> {
  const found = await context.tx(async (tx) => {
    const [task] = await readTasks(tx, [id]);
    if (!task || !(await isVisible(tx, context.actor, id))) return undefined;
    const attempts = await readAttempts(tx, [id]);
    const agents = attempts.map(({ agent_id }) => agent_id);
    return {
      task,
      attempts,
      running: await countRunning(tx, agents),
      children: await countOpenChildren(tx, id),
    };
  });
  if (!found) throw notFound();
  const unmerged = await Promise.all(
    found.attempts
      .filter(({ status }) => status !== "merged")
      .map(async (attempt) => ({
        attempt_id: attempt.id,
        agent_name: attempt.agent_name,
        changes: (await countChanges(attempt, found.task)) ?? attempt.changes,
      })),
  );
  return {
    id,
    agents: found.attempts.map(({ agent_name }) => agent_name),
    running: found.running,
    unmerged: unmerged.flatMap(({ changes, ...attempt }) =>
      changes !== null && changes.files > 0 ? [{ ...attempt, changes }] : [],
    ),
    child_tasks: found.children,
  };
}

/**
 * Cancels a task: it is recorded first, then its agents are terminated, whose workspaces are archived. A restart goes on
 * with it. Idempotent.
 * @throws AppError 404, and as `terminateAgent`
 */
export async function cancelTask(deps: RunDeps, context: CallerContext, id: string): Promise<void> {
  await context.change(async (tx, audit) => {
    const task = await requireTask(tx, context.actor, id);
    if (task.resolution === "cancelled") return;
    if (task.resolution === "done") {
      throw new AppError("task_finished", "The task is done; there is nothing to cancel.");
    }
    for (const { agent_id } of await listAttempts(tx, id)) {
      await endRuns(tx, { agentId: agent_id }, "The task was canceled.");
    }
    await queries.updateTask(tx, id, {
      resolution: "cancelled",
      finished_at: new Date().toISOString(),
      launch: null,
    });
    await queries.refreshTask(tx, id);
    audit({ action: "task.cancelled", target: targetOf(task) });
  });
  await terminateAgents(deps, context.orgId, id, context);
}

/** Terminates the agents of a canceled task. */
export async function terminateAgents(
  deps: RunDeps,
  orgId: string,
  id: string,
  origin: Origin,
): Promise<void> {
  const attempts = await deps.db.tenant(orgId, (tx) => listAttempts(tx, id));
  for (const { agent_id } of attempts) {
    await terminateOfTask(deps.workspaces, orgId, origin, agent_id);
  }
}
