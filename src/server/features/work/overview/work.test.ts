import { randomUUID } from "node:crypto";
import { describe, expect, test, vi } from "vitest";
import { expectProblem } from "#test/support/server/app.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import {
  commitFiles,
  makeAgent,
  makeProject,
  mergeIntoBase,
} from "#test/support/fixtures/factories.js";
import { waitForRunEnd } from "#test/support/fixtures/runs.js";
import { nextCursor } from "#test/support/http/next-cursor.js";
import {
  app,
  owner,
  orgId,
  project,
  workspace,
  list,
  own,
  start,
  results,
  prepareAgentWork,
} from "#test/support/fixtures/agent-work.js";

describe("the work of agents", () => {
  prepareAgentWork();

  test("goes from idle to working, ready and idle, with its last line and lines changed", async () => {
    expect(await own()).toMatchObject({
      state: "idle",
      current: null,
      last_outcome: null,
      branch_name: workspace.branch_name,
      base_branch: "main",
      unmerged_commits: 0,
      additions: 0,
      deletions: 0,
      conflicts: 0,
      cost_usd: 0,
      last_line: null,
    });
    const run = await start(
      "printf '\\033[1mhello\\033[0m\\n'; while [ ! -e go ]; do sleep 0.1; done",
    );
    await vi.waitFor(async () => expect((await own()).last_line).toBe("hello"), {
      timeout: 120_000,
    });
    expect(await own()).toMatchObject({
      state: "working",
      current: { run_id: run.id, kind: "managed", session_id: null },
    });
    expect((await list({ running: "true" })).map((item) => item.agent_id)).toEqual([
      workspace.agent_id,
    ]);
    expect(await list({ running: "false" })).toHaveLength(1);
    await commitFiles(owner, workspace, { go: "", "a.txt": "one\n2\n3\n" });
    await waitForRunEnd(owner, run.id);
    await vi.waitFor(async () => expect((await own()).state).toBe("ready"), { timeout: 120_000 });
    expect(await own()).toMatchObject({
      last_outcome: { run_id: run.id, status: "succeeded", exit_code: 0 },
      additions: 2,
      deletions: 1,
    });
    expect((await own()).unmerged_commits).toBeGreaterThan(0);
    await mergeIntoBase(owner, workspace);
    expect(await own()).toMatchObject({ state: "idle", unmerged_commits: 0, additions: 0 });
  });

  test("lists each agent once in pages, also without a workspace, of one project on request", async () => {
    const elsewhere = await makeProject(owner, orgId);
    const bare = await makeAgent(owner, elsewhere.id);
    const ended = await makeAgent(owner, elsewhere.id);
    await owner.api.agents.delete({ params: { agent_id: ended.id } });
    const all = await list();
    expect(all).toHaveLength(3);
    expect(all.find(({ agent_id }) => agent_id === bare.id)).toMatchObject({
      state: "idle",
      branch_name: null,
      unmerged_commits: null,
      additions: null,
      project_name: elsewhere.name,
    });
    expect(await list({ project_id: elsewhere.id })).toHaveLength(1);
    expect(await list({ project_id: randomUUID() })).toEqual([]);
    const params = { org_id: orgId };
    const first = await owner.api.overview.work({ params, query: { limit: 2 } });
    const cursor = nextCursor(first.headers) as string;
    const second = await owner.api.overview.work({ params, query: { limit: 2, cursor } });
    expect([...first.data, ...second.data]).toEqual(all);
  });

  test("lists tasks that were finished without a merge", async () => {
    const since = new Date(Date.now() - 1000).toISOString();
    const create = async (body: string): Promise<string> =>
      (
        await owner.api.tasks.create({
          params: { project_id: project.id },
          body: { body, start: false },
        })
      ).data.id;
    const done = await create("Ask the lawyers");
    const canceled = await create("Rewrite it all");
    await create("Go on");
    const params = { task_id: done };
    await owner.api.tasks.update({ params, body: { status: "done" } });
    await owner.api.tasks.delete({ params: { task_id: canceled } });
    const { finished_tasks } = await results(since);
    expect(finished_tasks).toMatchObject([
      { id: canceled, title: "Rewrite it all", status: "cancelled", owner_id: owner.id },
      { id: done, title: "Ask the lawyers", status: "done", project_name: project.name },
    ]);
    await owner.api.tasks.update({ params, body: { status: "open" } });
    expect((await results(since)).finished_tasks.map(({ id }) => id)).toEqual([canceled]);
  });

  test("sums up results since an instant of the last week", async () => {
    const since = new Date(Date.now() - 1000).toISOString();
    expect(await results(new Date(Date.now() + 60_000).toISOString())).toMatchObject({
      runs: { succeeded: 0, failed: 0 },
      total_merges: 0,
      merges: [],
    });
    await waitForRunEnd(owner, (await start("exit 1")).id);
    const run = await start("true");
    await waitForRunEnd(owner, run.id);
    await queryAsOwner(
      app,
      `insert into model_usage select org_id, id, 'anthropic', 'model', (now() at time zone 'UTC')::date,
         1, 1, 1, 0, 0, 2500000000, 0 from runs where id = $1`,
      [run.id],
    );
    await commitFiles(owner, workspace, { "b.txt": "1\n2\n3\n" });
    await mergeIntoBase(owner, workspace);
    const found = await results(since);
    expect(found).toMatchObject({ runs: { succeeded: 1, failed: 1 }, cost_usd: 2.5 });
    expect(found.merges[0]).toMatchObject({
      agent_name: workspace.agent_name,
      project_name: project.name,
      target_branch: "main",
      kind: "merge",
      additions: 3,
      deletions: 0,
    });
    expect(found.merges[0]?.merged_by).toMatch(/Ada/);
    const week = new Date(Date.now() - 8 * 86_400_000).toISOString();
    await expectProblem(results(week), 422, "validation_failed");
    const stranger = await app.person("stranger");
    const params = { org_id: orgId };
    await expectProblem(
      stranger.api.overview.results({ params, query: { since } }),
      404,
      "not_found",
    );
    await expectProblem(stranger.api.overview.work({ params }), 404, "not_found");
  });
});
