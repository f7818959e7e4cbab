import type { AuditWriter } from "../../../db/audit/audit.js";
import type { Queryable } from "../../../db/connection/connect.js";
import type { CallerContext } from "../../../http/requests/request-context.js";
import { endRuns } from "../../execution/run-ends/index.js";
import { targetOf } from "./create-task.js";
import { insertAttempts } from "./make-attempts.js";
import { type AttemptRow, listAttempts, updateAttempt } from "./queries/attempts.queries.js";
import * as queries from "./tasks.queries.js";

/**
 * Replaces an attempt whose branch was rewritten on a forge by one that begins with the forge's commit, in a change of
 * the organization. The former one is archived: its work stays reachable, and its threads move along. The new one begins
 * with its first prompt. Returns its id and its agent's; null if the task or the attempt has ended meanwhile.
 */
export async function replaceAttempt(
  tx: Queryable,
  audit: AuditWriter,
  context: CallerContext,
  { task_id, attempt_id }: { task_id: string; attempt_id: string },
  { commit, baseBranch }: { commit: string; baseBranch: string },
): Promise<Pick<AttemptRow, "id" | "agent_id"> | null> {
  const task = await queries.lockTask(tx, task_id);
  const attempts = await listAttempts(tx, task_id);
  const former = attempts.find(({ id }) => id === attempt_id);
  if (!task || task.resolution !== null || !former || former.archived_at !== null) return null;
  await endRuns(tx, { agentId: former.agent_id }, "Its branch was rewritten on the forge.");
  await updateAttempt(tx, former.id, { archived_at: new Date().toISOString() });
  const [id] = await insertAttempts(tx, audit, context, task, {
    launch: { ...former.launch, prompt: introOf(task) },
    count: 1,
    first: (attempts.at(-1)?.number ?? 0) + 1,
    baseBranch,
    startCommit: commit,
  });
  const made = (await listAttempts(tx, task_id)).find((attempt) => attempt.id === id);
  if (!made) throw new Error("an attempt was not stored");
  const isChosen = task.chosen_attempt_id === former.id;
  await queries.updateTask(tx, task_id, isChosen ? { chosen_attempt_id: made.id } : {});
  await queries.refreshTask(tx, task_id);
  audit({ action: "task.attempted", target: targetOf(task) });
  return made;
}

/** What an agent has to know that continues the work of another. */
function introOf({ body }: Pick<queries.TaskRow, "body">): string {
  return `${body}\n\nThe branch has the work so far. A person has rewritten it on the forge: look at its commits before you go on.`;
}
