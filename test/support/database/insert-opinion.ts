import { randomUUID } from "node:crypto";
import type { TestApp } from "../server/app.js";
import { queryAsOwner } from "./queries.js";

/** A second opinion on an attempt that has failed. Returns its id. */
export async function insertOpinion(
  app: Pick<TestApp, "owner">,
  attemptId: string,
): Promise<string> {
  const id = randomUUID();
  await queryAsOwner(
    app,
    `insert into opinions (id, org_id, project_id, task_id, attempt_id, agent_id, preset, prompt, required,
       commit_sha, base_sha, status, detail, origin, ended_at)
     select $1, t.org_id, t.project_id, t.id, a.id, a.agent_id, 'codex', '', false, $3, $3, 'failed', 'It failed.',
       '{}', now()
     from task_attempts a join tasks t on t.id = a.task_id where a.id = $2`,
    [id, attemptId, "0".repeat(40)],
  );
  return id;
}
