import { randomUUID } from "node:crypto";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import { maxTaskRows } from "#shared/api/organization/usage.js";
import {
  expectProblem,
  sharedTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { insertAttempt } from "#test/support/database/insert-attempt.js";
import { insertPaidRun, type PaidRun } from "#test/support/database/insert-paid-run.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { makeAgent, makeOrganization, makeProject } from "#test/support/fixtures/factories.js";

let app: TestApp;
let ada: TestPerson;
let grace: TestPerson;
let org: Organization;
let project: Project;
let agent: Agent;
beforeAll(async () => {
  app = await sharedTestApp();
  ada = await app.person("Ada");
  grace = await app.person("Grace");
});
beforeEach(async () => {
  org = await makeOrganization(ada);
  project = await makeProject(ada, org.id);
  agent = await makeAgent(ada, project.id);
  await addMember(grace, "member");
});

async function roleNamed(name: string): Promise<string> {
  const { data } = await ada.api.roles.list({ params: { org_id: org.id } });
  return data.find((role) => role.name === name)?.id ?? "";
}
async function addMember(person: TestPerson, role: string): Promise<void> {
  const body = { user_id: person.id, role_id: await roleNamed(role) };
  await ada.api.members.add({ params: { org_id: org.id }, body });
}

const usage = async (by: "person" | "task" | "day", period?: string, person = ada) =>
  (await person.api.usage.get({ params: { org_id: org.id }, query: { by, period } })).data;
const userOf = ({ id }: TestPerson, name: string) => ({ type: "user" as const, id, name });

/** Adds a run of an hour in October 2025. */
const spend = (agentId: string, costUsd: number, more: Partial<PaidRun> = {}): Promise<string> =>
  insertPaidRun(app, {
    agentId,
    from: "2025-10-07T10:00:00Z",
    to: "2025-10-07T11:00:00Z",
    startedBy: userOf(ada, "Ada"),
    costUsd,
    ...more,
  });

async function makeTask(title: string, owner: TestPerson | null): Promise<{ id: string }> {
  const { data: task } = await ada.api.tasks.create({
    params: { project_id: project.id },
    body: { body: title, start: false },
  });
  await queryAsOwner(app, "update tasks set owner_id = $2 where id = $1", [
    task.id,
    owner?.id ?? null,
  ]);
  const worker = await makeAgent(ada, project.id);
  await insertAttempt(app, task.id, worker.id, randomUUID());
  return worker;
}

describe("usage by person", () => {
  test("a run is of its task's owner, else of the one who started it", async () => {
    const taskOfGrace = await makeTask("Round half cents", grace);
    const withoutOwner = await makeTask("Fix the tests", null);
    await spend(taskOfGrace.id, 4);
    await spend(withoutOwner.id, 2);
    await spend(agent.id, 1, { unpriced: 1 });
    await spend(agent.id, 0.5, { startedBy: null, to: "2025-10-07T10:30:00Z" });
    const answer = await usage("person", "2025-10");
    const row = { requests: 2, tokens: 1000, unpriced_requests: 0 };
    const [graces, adas] = answer.rows as { person_name: string }[];
    expect(answer.rows).toEqual([
      {
        ...row,
        person_id: grace.id,
        person_name: graces?.person_name,
        tasks: 1,
        runs: 1,
        runtime_hours: 1,
        cost_usd: 4,
      },
      {
        person_id: ada.id,
        person_name: adas?.person_name,
        tasks: 1,
        runs: 2,
        runtime_hours: 2,
        requests: 4,
        tokens: 2000,
        cost_usd: 3,
        unpriced_requests: 1,
      },
      {
        ...row,
        person_id: null,
        person_name: "No person",
        tasks: 0,
        runs: 1,
        runtime_hours: 0.5,
        cost_usd: 0.5,
      },
    ]);
    expect(graces?.person_name).toMatch(/Grace/i);
    expect(adas?.person_name).toMatch(/Ada/i);
    expect(answer.runtime_hours.current).toBe(3.5);
    expect((await usage("person", "2025-11")).rows).toEqual([]);
  });

  test("a run of an agent or service account is of the person or account behind it", async () => {
    const byAgent = await spend(agent.id, 1, {
      startedBy: { type: "agent", id: agent.id, name: agent.name },
    });
    await queryAsOwner(app, "update runs set origin = $2::jsonb where id = $1", [
      byAgent,
      JSON.stringify({ actor: { kind: "agent", userId: grace.id } }),
    ]);
    const gone = { type: "service_account" as const, id: randomUUID(), name: "CI" };
    await spend(agent.id, 2, { startedBy: gone });
    expect((await usage("person", "2025-10")).rows).toMatchObject([
      { person_id: gone.id, person_name: "CI", cost_usd: 2 },
      { person_id: grace.id, cost_usd: 1 },
    ]);
  });
});

describe("usage by task", () => {
  test("has the tasks, most expensive first, then the runs without one", async () => {
    const cheap = await makeTask("Fix the tests", null);
    const dear = await makeTask("Round half cents", grace);
    await spend(cheap.id, 0.25);
    await spend(dear.id, 4);
    await spend(dear.id, 1, { from: "2025-10-31T23:30:00Z", to: "2025-11-01T00:30:00Z" });
    await spend(agent.id, 9);
    const { rows } = await usage("task", "2025-10");
    const named = { project_id: project.id, project_name: project.name };
    expect(rows).toMatchObject([
      { ...named, task_number: 2, task_title: "Round half cents", cost_usd: 5, runtime_hours: 1.5 },
      { ...named, task_number: 1, task_title: "Fix the tests", owner_name: null, cost_usd: 0.25 },
      { task_id: null, task_title: "Runs without a task", project_id: null, cost_usd: 9 },
    ]);
    expect((await usage("task", "2025-11")).rows).toMatchObject([
      { task_number: 2, cost_usd: 0, runtime_hours: 0.5, runs: 1 },
    ]);
  });

  test("adds up the tasks after the most expensive ones", async () => {
    const count = maxTaskRows + 3;
    await queryAsOwner(
      app,
      `with made as (
        insert into tasks (id, org_id, project_id, number, title, body, source, created_by, origin, status, resolution,
          finished_at)
        select gen_random_uuid(), $1, $2, n, 'Task ' || n, '', '{"kind": "person"}', '{}', '{}', 'done', 'done', now()
        from generate_series(1, $3::int) n returning id, number
      ), agents as (
        insert into agents (id, org_id, project_id, name)
        select gen_random_uuid(), $1, $2, 'many-' || number from made returning id, name
      ), attempts as (
        insert into task_attempts (id, org_id, task_id, number, agent_id, session_id, preset, launch)
        select gen_random_uuid(), $1, m.id, 1, a.id, gen_random_uuid(), 'custom', '{}'
        from made m join agents a on a.name = 'many-' || m.number
      ), runs as (
        insert into runs (id, org_id, agent_id, kind, status, started_at, ended_at)
        select gen_random_uuid(), $1, id, 'leased', 'succeeded', '2025-10-07T10:00Z', '2025-10-07T11:00Z'
        from agents returning id, agent_id
      )
      insert into model_usage
      select $1, r.id, 'anthropic', 'claude', '2025-10-07', 1, 1, 1, 1, 1,
        substr(a.name, 6)::bigint * 100000000, 0
      from runs r join agents a on a.id = r.agent_id`,
      [org.id, project.id, count],
    );
    await queryAsOwner(app, "update organizations set created_at = '2025-10-01' where id = $1", [
      org.id,
    ]);
    const { rows = [] } = await usage("task", "2025-10");
    expect(rows).toHaveLength(maxTaskRows + 1);
    expect(rows[0]).toMatchObject({ task_title: `Task ${count}` });
    expect(rows.at(-1)).toMatchObject({
      task_id: null,
      task_title: "3 other tasks",
      runs: 3,
      runtime_hours: 3,
      tokens: 12,
      cost_usd: 0.6,
    });
    const text = await csvOf("task");
    expect(text.trimEnd().split("\r\n")).toHaveLength(count + 1);
  });
});

async function csvOf(by: string): Promise<string> {
  const path = `/api/v1/organizations/${org.id}/usage?by=${by}&period=2025-10&format=csv`;
  const answer = await fetch(`${app.url}${path}`, {
    headers: { authorization: `Bearer ${ada.token}` },
  });
  return answer.text();
}

test("persons, tasks and the costs of days are files, too", async () => {
  const worker = await makeTask("=Round, half cents", grace);
  await spend(worker.id, 4);
  expect(await csvOf("person")).toMatch(
    /^period,person_id,person_name,tasks,runs,runtime_hours,requests,tokens,cost_usd,unpriced_requests\r\n2025-10,.*,1,1,1.0000,2,1000,4,0\r\n$/,
  );
  expect(await csvOf("day")).toContain("\r\n2025-10-07,1,1.0000,1000,4\r\n");
  expect(await csvOf("task")).toContain(`,1,"'=Round, half cents",`);
});

test("costs by day have a trend, and a forecast in the current month", async () => {
  await spend(agent.id, 2, { from: "2025-09-30T10:00:00Z", to: "2025-09-30T11:00:00Z" });
  await spend(agent.id, 3, { tokens: 500, unpriced: 2 });
  await spend(agent.id, 1);
  const { model_costs: october } = await usage("day", "2025-10");
  expect(october).toMatchObject({
    cost_usd: 4,
    unpriced_requests: 2,
    previous_cost_usd: 2,
    forecast_usd: null,
  });
  expect(october?.days).toHaveLength(31);
  expect(october?.days[6]).toEqual({ date: "2025-10-07", tokens: 1500, cost_usd: 4 });
  expect((await usage("day", "2025-09")).model_costs?.previous_cost_usd).toBeNull();

  const yesterday = new Date(Date.now() - 86_400_000).toISOString();
  await spend(agent.id, 7, { from: yesterday, to: yesterday });
  const { model_costs: now } = await usage("day");
  const { period_end } = await usage("day");
  const days = (Date.parse(period_end) - Date.now()) / 86_400_000;
  expect(now?.forecast_usd).toBeCloseTo((now?.cost_usd ?? 0) + 7 * days, 2);
  expect(await usage("person")).not.toHaveProperty("model_costs");
});

test("members and tasks are shown to those who may see them", async () => {
  const reader = await app.person("Reader");
  await ada.api.roles.create({
    params: { org_id: org.id },
    body: { name: "accountant", permissions: ["org:read"] },
  });
  await addMember(reader, "accountant");
  expect((await usage("day", undefined, reader)).model_costs?.cost_usd).toBe(0);
  for (const by of ["person", "task"] as const) {
    await expectProblem(usage(by, undefined, reader), 403, "insufficient_permission");
    expect((await usage(by, undefined, grace)).rows).toEqual([]);
  }
  const stranger = await app.person("stranger");
  await expectProblem(usage("person", undefined, stranger), 404, "not_found");
});
