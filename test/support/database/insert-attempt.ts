import { randomUUID } from "node:crypto";
import { queryAsOwner } from "./queries.js";
import type { TestApp } from "../server/app.js";

/** Inserts an attempt at a task by an agent and its session. Returns its id. */
export async function insertAttempt(
  app: Pick<TestApp, "owner">,
  taskId: string,
  agentId: string,
  sessionId: string,
): Promise<string> {
  const id = randomUUID();
  await queryAsOwner(
    app,
    `insert into task_attempts (id, org_id, task_id, number, agent_id, session_id, preset, launch)
     select $1, org_id, id, 1, $3, $4, 'custom',
       '{"preset": "custom", "command": ["true"], "prompt": "Hello"}'
     from tasks where id = $2`,
    [id, taskId, agentId, sessionId],
  );
  await queryAsOwner(app, "select refresh_task($1)", [taskId]);
  return id;
}
