// Thorough: runs that fail and that are stopped, and merges of tasks.
import { randomUUID } from "node:crypto";
import { describe, expect, test, vi } from "vitest";
import { insertTask } from "#test/support/database/insert-task.js";
import { insertSession } from "#test/support/database/insert-session.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { commitFiles, mergeIntoBase } from "#test/support/fixtures/factories.js";
import { waitForRunEnd } from "#test/support/fixtures/runs.js";
import {
  app,
  owner,
  orgId,
  workspace,
  own,
  start,
  results,
  prepareAgentWork,
} from "#test/support/fixtures/agent-work.js";

describe("the work of agents", () => {
  prepareAgentWork();

  test("needs a person after a failure, and for a permission even with a run in progress", async () => {
    const run = await start("echo broken >&2; exit 3");
    await waitForRunEnd(owner, run.id);
    expect(await own()).toMatchObject({
      state: "needs_you",
      last_outcome: { status: "failed", exit_code: 3 },
      last_line: expect.any(String) as string,
    });
    const next = await start("sleep 60");
    await vi.waitFor(async () => expect((await own()).state).toBe("working"), { timeout: 120_000 });
    expect(await own()).toMatchObject({
      current: { run_id: next.id },
      last_outcome: { run_id: run.id, status: "failed", exit_code: 3 },
    });
    const sessionId = randomUUID();
    await insertSession(app, sessionId, workspace.agent_id);
    const wait = (status: string) =>
      queryAsOwner(app, "update agent_sessions set status = $2 where id = $1", [sessionId, status]);
    await wait("waiting_for_permission");
    expect(await own()).toMatchObject({ state: "needs_you", waiting_session_id: sessionId });
    // A program between two turns does not work.
    await wait("idle");
    await queryAsOwner(app, "update runs set session_id = $2 where id = $1", [next.id, sessionId]);
    expect(await own()).toMatchObject({ state: "idle", current: { session_status: "idle" } });
    await owner.api.runs.stop({ params: { run_id: next.id } });
    await waitForRunEnd(owner, next.id);
  });

  test("names the task of an agent, also of its merges", async () => {
    const since = new Date(Date.now() - 1000).toISOString();
    expect(await own()).toMatchObject({ task_id: null, task_number: null, task_owner_id: null });
    const task_id = await insertTask(app, {
      ownerId: owner.id,
      title: "Half-cent rounding",
      agentIds: [workspace.agent_id],
    });
    const named = {
      task_id,
      task_number: 1,
      task_title: "Half-cent rounding",
      task_owner_id: owner.id,
    };
    expect(await own()).toMatchObject(named);
    await queryAsOwner(
      app,
      `insert into model_spending (org_id, owner_id, month, tokens, cost_nanousd)
       values ($1, $2, date_trunc('month', now() at time zone 'UTC'), 10, 420000000)`,
      [orgId, workspace.agent_id],
    );
    await commitFiles(owner, workspace, { "c.txt": "1\n" });
    await mergeIntoBase(owner, workspace);
    expect((await results(since)).merges[0]).toMatchObject({ ...named, cost_usd: 0.42 });
  });
});
