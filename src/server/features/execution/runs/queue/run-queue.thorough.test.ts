import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Run } from "#shared/api/execution/runs.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { makeOrganization, makeProject, makeWorkspace } from "#test/support/fixtures/factories.js";
import { spendHours } from "#test/support/database/past-runs.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { shell, waitForRunEnd, waitForRun } from "#test/support/fixtures/runs.js";

/** A command that runs until the file `go` exists. */
const untilTold = shell("until [ -e go ]; do sleep 0.02; done; rm go");

describe("limits and the queue", () => {
  let app: TestApp;
  let owner: TestPerson;
  let org: Organization;
  let project: Project;
  beforeAll(async () => {
    app = await startTestApp({ OMOI_RUN_STOP_GRACE_SECONDS: "1" }, "real");
    owner = await app.person("Ada");
  });
  beforeEach(async () => {
    org = await makeOrganization(owner);
    project = await makeProject(owner, org.id);
  });
  // Queued and running runs of one test would slow down the next.
  afterEach(() => owner.api.organizations.archive({ params: { org_id: org.id } }));
  afterAll(() => app.close());

  interface Worker {
    agent: Agent;
    workspace: Workspace;
  }
  const worker = (): Promise<Worker> => makeWorkspace(owner, project.id);
  const limit = (body: { max_concurrent_agents?: number; max_agent_runtime_hours?: number }) =>
    owner.api.organizations.update({ params: { org_id: org.id }, body });
  const start = async (
    { agent }: Worker,
    command = untilTold,
    api = owner.api,
    env: Record<string, string> = {},
  ): Promise<Run> =>
    (await api.runs.create({ params: { agent_id: agent.id }, body: { command, env, queue: true } }))
      .data;
  const direct = ({ agent }: Worker, api = owner.api) =>
    api.runs.create({ params: { agent_id: agent.id }, body: { command: untilTold } });
  const go = ({ workspace }: Worker) =>
    writeFile(join(workspace.working_directory as string, "go"), "");
  const get = async ({ id }: Run) => (await owner.api.runs.get({ params: { run_id: id } })).data;
  const positions = (runs: Run[]) =>
    Promise.all(runs.map(async (run) => (await get(run)).queue_position));
  const untilRunning = ({ id }: Run) => waitForRun(owner, id, ({ status }) => status === "running");

  test("of thirty concurrent starts in two processes, exactly the limit of three succeeds", async () => {
    await limit({ max_concurrent_agents: 3 });
    const workers: Worker[] = [];
    for (let number = 0; number < 30; number += 1) workers.push(await worker());
    const sibling = await app.sibling();
    const apis = [owner.api, sibling.client(owner.token)];
    const outcomes = await Promise.allSettled(
      workers.map((worker, index) => direct(worker, apis[index % 2])),
    );
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(3);
    for (const outcome of outcomes) {
      if (outcome.status === "fulfilled") continue;
      expect(outcome.reason).toMatchObject({
        problem: { status: 409, quota: "max_concurrent_agents", limit: 3, current: 3 },
      });
    }
    await sibling.close();
  });

  test("a run that waited for a slot begins after the one that had it", async () => {
    await limit({ max_concurrent_agents: 1 });
    const [one, two] = [await worker(), await worker()];
    const first = await start(one);
    await untilRunning(first);
    const client = new pg.Client({ ...inject("cluster").admin, database: app.owner.database });
    await client.connect();
    const lock = "hashtextextended('organization ' || $1, 0)";
    await client.query(`select pg_advisory_lock(${lock})`, [org.id]);
    const starting = direct(two);
    const waiting = () =>
      queryAsOwner(app, "select from pg_locks where locktype = 'advisory' and not granted");
    await expect.poll(waiting).not.toEqual([]);
    await go(one);
    const ended = await waitForRunEnd(owner, first.id);
    await client.end();
    const { data: second } = await starting;
    expect(Date.parse(String(second.started_at))).toBeGreaterThanOrEqual(
      Date.parse(String(ended.ended_at)),
    );
  });

  test("serves agents in turn, the longest waiting first", async () => {
    await limit({ max_concurrent_agents: 1 });
    const [eager, patient, late] = [await worker(), await worker(), await worker()];
    const first = await start(eager);
    expect([first.status, first.queue_position]).toEqual(["running", null]);
    const greedy = [await start(eager), await start(eager), await start(eager)];
    const modest = await start(patient);
    const latest = await start(late);
    expect(greedy.map(({ status }) => status)).toEqual(["queued", "queued", "queued"]);
    expect(greedy[0]).toMatchObject({
      started_at: null,
      runtime_seconds: 0,
      queue_position: 1,
      detail: "Waiting for the agent's current run to end.",
    });
    expect(latest.detail).toBe("Waiting for one of the organization's 1 slots.");
    expect(await positions([modest, latest, ...greedy])).toEqual([1, 2, 3, 4, 5]);
    // A queued run has priority over a new one.
    await expectProblem(direct(await worker()), 409, "quota_exceeded");
    const turns: [Worker, Run][] = [
      [eager, first],
      [patient, modest],
      [late, latest],
      ...greedy.map((run): [Worker, Run] => [eager, run]),
    ];
    for (const [one, run] of turns) {
      expect((await untilRunning(run)).detail).toBeNull();
      const { data: usage } = await owner.api.usage.get({ params: { org_id: org.id } });
      expect(usage.concurrent_agents.current).toBe(1);
      await go(one);
      expect((await waitForRunEnd(owner, run.id)).status).toBe("succeeded");
    }
  });

  test("agents report their current run and the position of their queued run", async () => {
    await limit({ max_concurrent_agents: 1 });
    const [one, two, idle] = [await worker(), await worker(), await worker()];
    const running = await start(one);
    const behind = await start(one, ["echo", "one"]);
    const next = await start(two, ["echo", "two"]);
    await start(two, ["echo", "later"]);
    const current_run = {
      id: running.id,
      kind: "managed",
      status: "running",
      command: untilTold,
      started_at: running.started_at,
      runtime_seconds: expect.any(Number) as number,
      stop_requested: false,
    };
    const waiting = ({ id, command, created_at }: Run, queue_position: number) => ({
      id,
      command,
      created_at,
      queue_position,
      status: "queued",
      stop_requested: false,
    });
    const query = { organization_id: org.id };
    const { data: agents } = await owner.api.agents.list({ query });
    expect(agents).toMatchObject([
      // The agent that has not run yet comes first.
      { id: one.agent.id, current_run, queued_run: waiting(behind, 2), workspace_type: "local" },
      { id: two.agent.id, current_run: null, queued_run: waiting(next, 1) },
      { id: idle.agent.id, current_run: null, queued_run: null },
    ]);
    const { data: alone } = await owner.api.agents.get({ params: { agent_id: one.agent.id } });
    expect(alone).toMatchObject({ current_run, queued_run: waiting(behind, 2) });
    // Other organizations' agents are not listed.
    const stranger = await app.person("stranger");
    expect((await stranger.api.agents.list({ query: {} })).data).toEqual([]);
  });

  test("is left by a stop, which frees its place", async () => {
    await limit({ max_concurrent_agents: 1 });
    const [one, two, three] = [await worker(), await worker(), await worker()];
    const running = await start(one);
    const [second, third] = [await start(two), await start(three)];
    const { data } = await owner.api.runs.stop({ params: { run_id: second.id } });
    expect(data).toMatchObject({
      status: "stopped",
      started_at: null,
      queue_position: null,
      detail: "Stopped by Ada while queued.",
    });
    expect(await positions([third])).toEqual([1]);
    await owner.api.runs.stop({ params: { run_id: running.id } });
    await untilRunning(third);
  });

  test("starts more runs as soon as the limit is raised", async () => {
    await limit({ max_concurrent_agents: 1 });
    const [one, two] = [await worker(), await worker()];
    await start(one);
    const second = await start(two);
    await limit({ max_concurrent_agents: 2 });
    await untilRunning(second);
  });

  test("keeps the environment encrypted and passes it only to the run", async () => {
    await limit({ max_concurrent_agents: 1 });
    const [one, two] = [await worker(), await worker()];
    const running = await start(one);
    const command = shell("[ ${#WORD} = 10 ]");
    const waiting = await start(two, command, owner.api, { WORD: "of its own" });
    expect(waiting.env_names).toEqual(["WORD"]);
    const rows = () => queryAsOwner(app, "select * from runs where id = $1", [waiting.id]);
    expect(JSON.stringify(await rows())).not.toContain("of its own");
    await owner.api.runs.stop({ params: { run_id: running.id } });
    expect((await waitForRunEnd(owner, waiting.id)).status).toBe("succeeded");
    expect(await rows()).toMatchObject([{ sealed_env: null }]);
  });

  test("applies the current limits to a queued run", async () => {
    await limit({ max_concurrent_agents: 1 });
    const [one, two] = [await worker(), await worker()];
    const running = await start(one);
    const waiting = await start(two, ["true"]);
    // As if the run had been queued with higher limits, one of which cannot be enforced here.
    await queryAsOwner(
      app,
      `update runs set limits = limits || '{"processes": 99999, "memory_bytes": 1}' where id = $1`,
      [waiting.id],
    );
    await owner.api.runs.stop({ params: { run_id: running.id } });
    expect(await waitForRunEnd(owner, waiting.id)).toMatchObject({
      status: "succeeded",
      limits: running.limits,
    });
  });

  test("starts no run after its creator lost the permission or its workspace was removed", async () => {
    await limit({ max_concurrent_agents: 1 });
    const [one, two, three] = [await worker(), await worker(), await worker()];
    const running = await start(one);
    const params = { org_id: org.id };
    const colleague = await app.person("colleague");
    const { data: roles } = await owner.api.roles.list({ params });
    const role_id = roles.find(({ name }) => name === "member")?.id as string;
    const body = { user_id: colleague.id, role_id };
    const { data: member } = await owner.api.members.add({ params, body });
    const theirs = await start(two, untilTold, colleague.api);
    const { data: key } = await owner.api.apiKeys.create({ body: { name: "short-lived" } });
    const byKey = await start(two, untilTold, app.client(key.key as string));
    const homeless = await start(three);
    await owner.api.members.remove({ params: { ...params, member_id: member.id } });
    await owner.api.apiKeys.revoke({ params: { key_id: key.id } });
    await queryAsOwner(app, "update workspaces set status = 'archived' where agent_id = $1", [
      three.agent.id,
    ]);
    await owner.api.runs.stop({ params: { run_id: running.id } });
    for (const { id } of [theirs, byKey]) {
      expect(await waitForRunEnd(owner, id)).toMatchObject({
        status: "failed",
        started_at: null,
        detail: "The caller who requested it may no longer start runs of this agent.",
      });
    }
    expect((await waitForRunEnd(owner, homeless.id)).detail).toContain("archived");
  });

  test("running and queued runs end when the hours are used up", async () => {
    const [one, two] = [await worker(), await worker()];
    const leased = (
      await owner.api.runs.create({
        params: { agent_id: two.agent.id },
        body: { external: true },
      })
    ).data;
    await limit({ max_concurrent_agents: 2, max_agent_runtime_hours: 10 });
    const running = await start(one, ["sleep", "1000"]);
    const waiting = await start(two);
    await spendHours(app, one.agent.id, 8.1);
    const told = async () =>
      (await owner.api.audit.list({ params: { org_id: org.id }, query: {} })).data.filter(
        ({ action }) => action === "organization.hours_low",
      );
    await expect.poll(told).toHaveLength(1);
    expect((await get(running)).status).toBe("running");
    await spendHours(app, one.agent.id, 2);
    const detail = "The organization's 10 hours of this month are used up.";
    expect(await waitForRunEnd(owner, running.id)).toMatchObject({
      status: "quota_exceeded",
      detail,
    });
    expect(await waitForRunEnd(owner, leased.id)).toMatchObject({
      status: "quota_exceeded",
      detail,
    });
    expect(await waitForRunEnd(owner, waiting.id)).toMatchObject({
      status: "quota_exceeded",
      started_at: null,
    });
    expect(await told()).toHaveLength(1);
    const refused = await expectProblem(start(one), 409, "quota_exceeded");
    expect(refused["quota"]).toBe("max_agent_runtime_hours");
  });
});
