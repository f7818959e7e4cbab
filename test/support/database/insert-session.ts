import { queryAsOwner } from "./queries.js";
import type { TestApp } from "../server/app.js";

/**
 * Inserts a session of an agent whose program has ended, with a prompt that waits and a request for a permission
 * of the same id.
 */
export async function insertSession(
  app: Pick<TestApp, "owner">,
  sessionId: string,
  agentId: string,
): Promise<void> {
  const by = JSON.stringify({ type: "user", id: agentId, name: "Ada" });
  const options = [{ option_id: "yes", name: "Allow", kind: "allow_once" }];
  const request = { request_id: sessionId, tool_call_id: "t1", title: "Edit a.txt", options };
  await queryAsOwner(
    app,
    `insert into agent_sessions (id, org_id, agent_id, preset, command, network, status, title, created_by,
       permissions)
     select $1, org_id, id, 'custom', '{agent}', 'none', 'idle', 'Of a test', $3, $4
     from agents where id = $2`,
    [sessionId, agentId, by, JSON.stringify([request])],
  );
  await queryAsOwner(
    app,
    `insert into agent_session_inputs (org_id, session_id, kind, data, sent_by)
     select org_id, id, 'prompt', '{"text": "Hello"}', $2 from agent_sessions where id = $1`,
    [sessionId, by],
  );
}
