import type { Readable } from "node:stream";
import { allows } from "../../../access/access.js";
import { authenticate } from "../../../access/authenticate.js";
import { resolveAccess } from "../../../access/authorize.js";
import { notFound } from "../../../errors.js";
import type { OrgContext } from "../../../http/requests/request-context.js";
import type { Services } from "../../services.js";
import { isVisible } from "./read-task.js";
import { listAttempts } from "./queries/attempts.queries.js";

export type EventDeps = Pick<Services, "db" | "eventStreams" | "credentials" | "publicUrl">;

/**
 * Opens the events of an organization that concern a task: the task itself, and the agents of its attempts with their
 * runs, sessions, workspaces and merges.
 * @throws AppError 404; 429
 */
export async function openTaskEvents(
  { db, eventStreams, credentials, publicUrl }: EventDeps,
  { actor, orgId, request, tx }: OrgContext,
  taskId: string,
  lastEventId: string | undefined,
): Promise<Readable> {
  if (!(await tx((transaction) => isVisible(transaction, actor, taskId)))) throw notFound();
  const ids = new Set([taskId]);
  let mayHaveNewAttempts = true;
  return eventStreams.open({
    orgId,
    caller: actor.agent?.id ?? actor.userId,
    lastEventId: lastEventId ?? null,
    allowed: async () => {
      const now = await authenticate(request, credentials, publicUrl).catch(() => null);
      const access = now && (await resolveAccess(db, now, "task_id", taskId));
      if (!access || !allows(access, "project:task:read")) return null;
      if (mayHaveNewAttempts) {
        mayHaveNewAttempts = false;
        const attempts = await tx((transaction) => listAttempts(transaction, taskId));
        for (const { agent_id } of attempts) ids.add(agent_id);
      }
      return (permission) => allows(access, permission);
    },
    concerns: (event) => {
      const id = "subject_id" in event ? event.subject_id : event.id;
      if (id === taskId) mayHaveNewAttempts = true;
      return id !== null && ids.has(id);
    },
  });
}
