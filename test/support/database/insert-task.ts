import { randomUUID } from "node:crypto";
import type { AttentionKind, TaskStatus } from "#shared/api/work/tasks.js";
import type { TestApp } from "../server/app.js";
import { queryAsOwner } from "./queries.js";

interface TaskFields {
  ownerId: string | null;
  title?: string;
  /** The attempts' agents, in their order. The first one needs the person. */
  agentIds: readonly string[];
  /** The session of the first attempt. */
  sessionId?: string;
  status?: TaskStatus;
  attention?: { kind: AttentionKind; summary?: string; since?: string };
}

/** Inserts a task with attempts of agents that exist, and returns its id. Nothing starts. */
export async function insertTask(
  app: Pick<TestApp, "owner">,
  { ownerId, title = "A task", agentIds, sessionId, status, attention }: TaskFields,
): Promise<string> {
  const id = randomUUID();
  const attemptIds = agentIds.map(() => randomUUID());
  const stored = attention && {
    summary: "",
    since: new Date().toISOString(),
    ...attention,
    attempt_id: attemptIds[0] ?? null,
  };
  await queryAsOwner(
    app,
    `insert into tasks (id, org_id, project_id, number, title, body, owner_id, source, created_by, origin, status, attention,
       urgency, resolution, finished_at)
     select $1, a.org_id, a.project_id,
       (select coalesce(max(number), 0) + 1 from tasks t where t.project_id = a.project_id), $3, $3, $4,
       '{"kind": "person", "url": null, "id": null}', '{"type": "user", "id": null, "name": "Ada"}',
       '{"actor": null, "ip": null, "requestId": null}', $5, $6,
       task_urgency($6::jsonb ->> 'kind'), nullif($5, nullif($5, 'done')), case when $5 = 'done' then now() end
     from agents a where a.id = $2`,
    [
      id,
      agentIds[0],
      title,
      ownerId,
      status ?? (attention ? "needs_you" : "working"),
      stored ? JSON.stringify(stored) : null,
    ],
  );
  for (const [index, agentId] of agentIds.entries()) {
    await queryAsOwner(
      app,
      `insert into task_attempts (id, org_id, task_id, number, agent_id, session_id, preset, launch)
       select $1, org_id, $2, $3, id, $5, 'custom', '{}' from agents where id = $4`,
      [
        attemptIds[index],
        id,
        index + 1,
        agentId,
        index === 0 && sessionId !== undefined ? sessionId : randomUUID(),
      ],
    );
  }
  return id;
}
