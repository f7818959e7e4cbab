import { randomUUID } from "node:crypto";
import fc from "fast-check";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sharedTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { insertAttempt } from "#test/support/database/insert-attempt.js";
import { insertSession } from "#test/support/database/insert-session.js";
import { makeOrganization, makeProject, makeWorkspace } from "#test/support/fixtures/factories.js";
import { rounds } from "#test/support/thorough.js";

let app: TestApp;
let owner: TestPerson;
/** One connection for hundreds of statements. */
let database: pg.Client;
beforeAll(async () => {
  app = await sharedTestApp();
  owner = await app.person("Ada");
  database = new pg.Client({ ...app.owner, options: "-c app.system=on -c timezone=UTC" });
  await database.connect();
});
afterAll(() => database.end());

interface Parts {
  taskId: string;
  agentId: string;
  attemptId: string;
  sessionId: string;
}

const at = "'2026-01-02T03:04:05Z'";
/** Changes of the parts of a task, each as the server makes it. */
const changes: Record<string, (parts: Parts) => string> = {
  ...Object.fromEntries(
    ["starting", "working", "idle", "waiting_for_permission", "failed"].map((status) => [
      status,
      ({ sessionId }: Parts) =>
        `update agent_sessions set status = '${status}' where id = '${sessionId}'`,
    ]),
  ),
  turnBegins: ({ sessionId }) =>
    `update agent_sessions set turn_started_at = ${at}, turn_ended_at = null where id = '${sessionId}'`,
  turnEnds: ({ sessionId }) =>
    `update agent_sessions set turn_ended_at = ${at}, turn_asks = false, turn_stop_reason = 'end_turn' where id = '${sessionId}'`,
  question: ({ sessionId }) =>
    `update agent_sessions set turn_ended_at = now(), turn_asks = true, turn_message = 'Why?' where id = '${sessionId}'`,
  turnFails: ({ sessionId }) =>
    `update agent_sessions set turn_ended_at = now(), turn_stop_reason = 'error: no' where id = '${sessionId}'`,
  silence: ({ sessionId }) =>
    `update agent_sessions set silent_since = ${at} where id = '${sessionId}'`,
  noise: ({ sessionId }) =>
    `update agent_sessions set silent_since = null where id = '${sessionId}'`,
  commit: ({ agentId }) =>
    `update workspaces set head_commit = md5(random()::text) where agent_id = '${agentId}'`,
  nothing: ({ agentId }) =>
    `update workspaces set head_commit = parent_commit where agent_id = '${agentId}'`,
  request: ({ agentId }) =>
    `insert into merge_requests (id, org_id, project_id, agent_id, kind, request, source_branch, source_commit,
       target_branch, status, origin)
     select gen_random_uuid(), org_id, project_id, agent_id, 'merge', '{}', branch_name, head_commit, base_branch,
       'queued', '{}' from workspaces where agent_id = '${agentId}'
     on conflict do nothing`,
  approval: ({ agentId }) =>
    `update merge_requests set status = 'waiting_for_approval' where agent_id = '${agentId}' and ended_at is null`,
  rejection: ({ agentId }) =>
    `update merge_requests set status = 'rejected', reason = 'It conflicts.', ended_at = now()
     where agent_id = '${agentId}' and ended_at is null`,
  merge: ({ agentId }) =>
    `insert into merges (id, org_id, project_id, agent_id, source_branch, target_branch, source_commit, target_commit,
       merge_commit, strategy, state, status, resolutions)
     select gen_random_uuid(), org_id, project_id, agent_id, branch_name, base_branch, head_commit, '', '',
       'manual', 'done', 'clean', '[]' from workspaces where agent_id = '${agentId}'`,
};

test("the stored status follows each change of a part", async () => {
  const { id } = await makeOrganization(owner);
  const project = await makeProject(owner, id);
  const names = Object.keys(changes);
  const run = fc.asyncProperty(
    fc.array(fc.constantFrom(...names), { minLength: 5, maxLength: 25 }),
    async (order) => {
      const { agent } = await makeWorkspace(owner, project.id);
      const { data: task } = await owner.api.tasks.create({
        params: { project_id: project.id },
        body: { body: "Random", start: false },
      });
      const sessionId = randomUUID();
      const attemptId = await insertAttempt(app, task.id, agent.id, sessionId);
      await insertSession(app, sessionId, agent.id);
      const parts = { taskId: task.id, agentId: agent.id, attemptId, sessionId };
      for (const name of order) {
        await database.query((changes[name] as (parts: Parts) => string)(parts));
        // Locked, since the server's merge queue also changes the requests, and then waits here.
        await database.query("begin");
        await database.query("select from tasks where id = $1 for update", [task.id]);
        const kept = await read(task.id);
        await database.query("select refresh_task($1)", [task.id]);
        const derived = await read(task.id);
        await database.query("commit");
        expect([name, kept]).toEqual([name, derived]);
      }
    },
  );
  await fc.assert(run, { numRuns: rounds({ thorough: 100, else: 3 }) });
}, 300_000);

async function read(id: string): Promise<unknown> {
  const { rows } = await database.query(
    "select status, attention, urgency, resolution, updated_at from tasks where id = $1",
    [id],
  );
  return rows[0];
}
