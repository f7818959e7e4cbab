import { randomUUID } from "node:crypto";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import {
  expectProblem,
  sharedTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { makeAgent, makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { insertPastRuns, type PastRun } from "#test/support/database/past-runs.js";
import { endLostRuns } from "../../execution/runs/runs.queries.js";

type UsageAnswer = Awaited<ReturnType<TestPerson["api"]["usage"]["get"]>>["data"];

const daysOf = ({ rows = [] }: UsageAnswer) => rows.filter((row) => "date" in row);
const agentsOf = ({ rows = [] }: UsageAnswer) => rows.filter((row) => "agent_id" in row);
const projectsOf = ({ rows = [] }: UsageAnswer) => rows.filter((row) => "agents" in row);
const units = (hours: number): number => Math.round(hours * 10_000);
const unitsIn = (rows: readonly { runtime_hours: number }[]): number =>
  rows.reduce((sum, row) => sum + units(row.runtime_hours), 0);

describe("usage of a month", () => {
  let app: TestApp;
  let owner: TestPerson;
  let org: Organization;
  let project: Project;
  let agent: Agent;
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("owner");
  });
  beforeEach(async () => {
    org = await makeOrganization(owner);
    project = await makeProject(owner, org.id);
    agent = await makeAgent(owner, project.id);
  });

  const usage = async (period?: string, by?: "agent" | "project" | "day") =>
    (await owner.api.usage.get({ params: { org_id: org.id }, query: { period, by } })).data;
  const add = (...runs: [from: string, to: string | null][]) =>
    insertPastRuns(
      app,
      org.id,
      runs.map(([from, to]): PastRun => ({ agentId: agent.id, from, to })),
    );

  test("counts a run across the end of a month in both months, each its part", async () => {
    await add(["2025-09-30T23:30:00Z", "2025-10-01T01:00:00Z"]);
    expect((await usage("2025-09")).runtime_hours.current).toBe(0.5);
    expect(await usage("2025-10", "agent")).toEqual({
      period_start: "2025-10-01T00:00:00.000Z",
      period_end: "2025-11-01T00:00:00.000Z",
      concurrent_agents: { current: 0, limit: 5 },
      runtime_hours: { current: 1, limit: 100 },
      rows: [
        {
          agent_id: agent.id,
          agent_name: agent.name,
          project_id: project.id,
          project_name: project.name,
          runs: 1,
          runtime_hours: 1,
        },
      ],
    });
    expect(await usage("2025-11", "agent")).toMatchObject({
      runtime_hours: { current: 0 },
      rows: [],
    });
    // A run that still runs at the end of the month counts; one that ends at that instant does not.
    expect((await usage("2025-09")).concurrent_agents.current).toBe(1);
    await add(["2025-10-31T20:00:00Z", "2025-11-01T00:00:00Z"]);
    expect((await usage("2025-10")).concurrent_agents.current).toBe(1);
    expect((await usage("2025-11", "agent")).rows).toEqual([]);
  });

  test("by day has every day of the month, also in leap years, and splits runs at midnight UTC", async () => {
    await add(
      ["2024-02-27T00:00:00Z", "2024-02-27T00:00:00Z"],
      ["2024-02-28T22:00:00Z", "2024-02-29T03:00:00Z"],
      ["2024-02-29T23:59:59.999Z", "2024-03-01T00:00:00.001Z"],
      ["2024-12-31T12:00:00Z", "2025-02-02T12:00:00Z"],
    );
    const leap = daysOf(await usage("2024-02", "day"));
    expect(leap).toHaveLength(29);
    expect(leap.slice(25)).toEqual([
      { date: "2024-02-26", runtime_hours: 0, peak_concurrent_agents: 0 },
      // Too short for the ledger's resolution, but it counts towards the peak.
      { date: "2024-02-27", runtime_hours: 0, peak_concurrent_agents: 1 },
      { date: "2024-02-28", runtime_hours: 2, peak_concurrent_agents: 1 },
      { date: "2024-02-29", runtime_hours: 3, peak_concurrent_agents: 1 },
    ]);
    const march = daysOf(await usage("2024-03", "day"));
    expect(march).toHaveLength(31);
    // One millisecond rounds to zero hours but counts towards the peak.
    expect(march[0]).toEqual({ date: "2024-03-01", runtime_hours: 0, peak_concurrent_agents: 1 });
    const january = daysOf(await usage("2025-01", "day"));
    expect(january.map(({ runtime_hours }) => runtime_hours)).toEqual(Array(31).fill(24));
    const february = daysOf(await usage("2025-02", "day"));
    expect(february.map(({ runtime_hours }) => runtime_hours)).toEqual([
      24,
      12,
      ...(Array(26).fill(0) as number[]),
    ]);
  });

  test("a run in progress counts up to now and to today's peak, but to no later day", async () => {
    const { period_start } = await usage();
    const from = new Date(Math.max(Date.parse(period_start), Date.now() - 5 * 3_600_000));
    await add([from.toISOString(), null]);
    const before = (Date.now() - from.getTime()) / 3_600_000;
    const answer = await usage(undefined, "day");
    const after = (Date.now() - from.getTime()) / 3_600_000;
    expect(answer.concurrent_agents).toEqual({ current: 1, limit: 5 });
    expect(answer.runtime_hours.current).toBeGreaterThanOrEqual(before - 0.0001);
    expect(answer.runtime_hours.current).toBeLessThanOrEqual(after + 0.0001);
    expect(unitsIn(daysOf(answer))).toBe(units(answer.runtime_hours.current));
    const [first, today] = [from, new Date()].map((at) => at.toISOString().slice(0, 10));
    for (const { date, peak_concurrent_agents } of daysOf(answer)) {
      const isThere = date >= (first as string) && date <= (today as string);
      expect([date, peak_concurrent_agents]).toEqual([date, isThere ? 1 : 0]);
    }
    const plain = await usage();
    expect(plain.runtime_hours.current).toBeGreaterThanOrEqual(answer.runtime_hours.current);
    expect(plain.runtime_hours.current - answer.runtime_hours.current).toBeLessThan(0.01);
  });

  test("a run started through the API counts at once", async () => {
    const params = { agent_id: agent.id };
    const { data: run } = await owner.api.runs.create({ params, body: { external: true } });
    const answer = await usage(undefined, "agent");
    expect(answer.concurrent_agents.current).toBe(1);
    expect(agentsOf(answer)).toMatchObject([{ agent_id: agent.id, runs: 1 }]);
    await owner.api.runs.stop({ params: { run_id: run.id } });
    expect(await usage(undefined, "agent")).toMatchObject({
      concurrent_agents: { current: 0 },
      rows: [{ runs: 1 }],
    });
  });

  test("a lost run counts up to its last heartbeat", async () => {
    const params = { agent_id: agent.id };
    const { data: run } = await owner.api.runs.create({ params, body: { external: true } });
    await queryAsOwner(
      app,
      `update runs set started_at = '2025-05-31T23:00:00Z', last_heartbeat_at = '2025-06-01T00:15:00Z',
         lease_expires_at = '2025-06-01T00:16:00Z' where id = $1`,
      [run.id],
    );
    await insertPastRuns(app, org.id, []);
    await app.db.withSystem("notice it now", (tx) => endLostRuns(tx, app.db.node.id));
    expect((await usage("2025-05", "agent")).runtime_hours.current).toBe(1);
    expect((await usage("2025-06", "agent")).runtime_hours.current).toBe(0.25);
    expect((await usage("2025-07")).runtime_hours.current).toBe(0);
  });

  test("a terminated agent keeps its usage", async () => {
    await add(["2025-03-03T10:00:00Z", "2025-03-03T11:00:00Z"]);
    await queryAsOwner(app, "update agents set terminated_at = now() where id = $1", [agent.id]);
    expect(agentsOf(await usage("2025-03", "agent"))).toMatchObject([
      { agent_id: agent.id, runtime_hours: 1 },
    ]);
    expect(projectsOf(await usage("2025-03", "project"))).toEqual([
      {
        project_id: project.id,
        project_name: project.name,
        agents: 1,
        runs: 1,
        runtime_hours: 1,
      },
    ]);
  });

  test("two organizations do not see each other's usage", async () => {
    await add(["2025-08-01T00:00:00Z", "2025-08-01T02:00:00Z"]);
    const other = await makeOrganization(owner);
    const theirs = await makeAgent(owner, (await makeProject(owner, other.id)).id);
    await insertPastRuns(app, other.id, [
      { agentId: theirs.id, from: "2025-08-01T00:00:00Z", to: "2025-08-01T05:00:00Z" },
    ]);
    const { data } = await owner.api.usage.get({
      params: { org_id: other.slug },
      query: { period: "2025-08", by: "agent" },
    });
    expect(agentsOf(data).map(({ agent_id }) => agent_id)).toEqual([theirs.id]);
    expect(data.runtime_hours.current).toBe(5);
    expect((await usage("2025-08", "day")).runtime_hours.current).toBe(2);
  });

  const outside = (msg: RegExp | string) => ({ errors: [{ loc: ["query", "period"], msg }] });
  test("rejects months before the organization or in the future, and invalid ones", async () => {
    const now = new Date().toISOString().slice(0, 7);
    expect((await usage(now)).runtime_hours.current).toBe(0);
    const later = new Date(Date.now() + 32 * 86_400_000).toISOString().slice(0, 7);
    for (const period of ["2019-12", "0000-01", "9999-12", later]) {
      const problem = await expectProblem(usage(period), 422, "validation_failed");
      expect(problem).toMatchObject(outside(`must be a month from ${now} to ${now}`));
    }
    await queryAsOwner(app, "update organizations set created_at = $2 where id = $1", [
      org.id,
      "2025-02-28T23:59:59.999Z",
    ]);
    expect((await usage("2025-02", "day")).rows).toHaveLength(28);
    await expectProblem(usage("2025-01"), 422, "validation_failed");
    for (const period of [
      "",
      "2025",
      "2025-13",
      "2025-00",
      "2025-1",
      "2025-10-01",
      "25-10",
      "٢٠٢٥-10",
    ]) {
      const problem = await expectProblem(usage(period), 422, "validation_failed");
      expect(problem).toMatchObject(outside("must be a month, such as 2026-10"));
    }
    const params = { org_id: org.id };
    const query = { by: "week" } as unknown as { by: "day" };
    const problem = await expectProblem(
      owner.api.usage.get({ params, query }),
      422,
      "validation_failed",
    );
    expect(problem.errors?.[0]?.loc).toEqual(["query", "by"]);
  });

  test("an unknown organization or an invalid id is 404", async () => {
    for (const org_id of [randomUUID(), "no-such-one", "%00", "x'--"]) {
      await expectProblem(owner.api.usage.get({ params: { org_id } }), 404, "not_found");
    }
  });

  test("has the used budget of the organization, a project or an agent, and of no other", async () => {
    const params = { org_id: org.id };
    const budgetOf = async (budget_of: string) =>
      (await owner.api.usage.get({ params, query: { budget_of } })).data.model_budget;
    const none = { used: 0, limit: null };
    for (const { id } of [org, project, agent]) {
      expect(await budgetOf(id)).toEqual({ cost_usd: none, tokens: none });
    }
    await owner.api.agents.update({
      params: { agent_id: agent.id },
      body: { max_model_cost_usd: 12.5, max_model_tokens: 5_000_000 },
    });
    for (const [owner_id, tokens, cost] of [
      [agent.id, 1_200_000, 3_200_000_000],
      [org.id, 9e12, 12],
    ] as const) {
      const text = `insert into model_spending
        values ($1, $2, date_trunc('month', now() at time zone 'UTC'), $3, $4),
          ($1, $2, date_trunc('month', now() at time zone 'UTC') - interval '1 month', 7, 7)`;
      await queryAsOwner(app, text, [org.id, owner_id, tokens, cost]);
    }
    expect(await budgetOf(agent.id)).toEqual({
      cost_usd: { used: 3.2, limit: 12.5 },
      tokens: { used: 1_200_000, limit: 5_000_000 },
    });
    expect(await budgetOf(org.id)).toEqual({
      cost_usd: { used: 1.2e-8, limit: null },
      tokens: { used: 9e12, limit: null },
    });
    const { data } = await owner.api.usage.get({
      params,
      query: { budget_of: agent.id, by: "agent" },
    });
    expect(data.model_budget?.cost_usd.used).toBe(3.2);
    expect(data.rows).toEqual([]);
    expect((await owner.api.usage.get({ params })).data).not.toHaveProperty("model_budget");
    const other = await makeOrganization(owner);
    const theirs = await makeAgent(owner, (await makeProject(owner, other.id)).id);
    for (const id of [other.id, theirs.id, theirs.project_id, randomUUID()]) {
      await expectProblem(budgetOf(id), 404, "not_found");
    }
    await expectProblem(budgetOf("x"), 422, "validation_failed");
    await owner.api.projects.delete({ params: { project_id: project.id } });
    for (const { id } of [project, agent]) {
      await expectProblem(budgetOf(id), 404, "not_found");
    }
  });
});
