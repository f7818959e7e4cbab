import { randomUUID } from "node:crypto";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import type { SystemRole } from "#shared/permissions.js";
import { systemRoleIds } from "../../../db/migrate.js";
import {
  expectProblem,
  sharedTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { makeAgent, makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { insertPastRuns } from "#test/support/database/past-runs.js";
import { problemOf, send } from "#test/support/http/raw-request.js";

const thisMonth = (): string => new Date().toISOString().slice(0, 7);

describe("statements", () => {
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

  const list = async (api = owner.api) =>
    (await api.usage.statements({ params: { org_id: org.id }, query: {} })).data;
  const read = async (period: string, api = owner.api) =>
    (await api.usage.statement({ params: { org_id: org.id, period }, query: {} })).data;
  const run = (from: string, to: string, agentId = agent.id) =>
    insertPastRuns(app, org.id, [{ agentId, from, to }]);
  const get = (path: string, headers: Record<string, string> = {}) =>
    send(app, "GET", `/api/v1/organizations/${org.id}${path}`, { token: owner.token, headers });

  test("of a new organization contain only the current month, which is empty", async () => {
    expect(await list()).toEqual([
      {
        period: thisMonth(),
        period_start: `${thisMonth()}-01T00:00:00.000Z`,
        period_end: expect.stringMatching(/-01T00:00:00\.000Z$/) as string,
        status: "open",
        runtime_hours: 0,
        agents: 0,
        runs: 0,
        peak_concurrent_agents: 0,
      },
    ]);
    const statement = await read(thisMonth());
    expect(statement).toMatchObject({ status: "open", runs: 0, by_agent: [], by_project: [] });
    expect(statement.by_day[0]?.date).toBe(`${thisMonth()}-01`);
  });

  test("list the months with runs, newest first, and split a run by month", async () => {
    const other = await makeAgent(owner, project.id);
    await run("2024-12-31T23:00:00Z", "2025-02-01T01:00:00Z");
    await run("2025-02-10T00:00:00Z", "2025-02-10T02:00:00Z");
    await run("2025-02-10T01:00:00Z", "2025-02-10T01:30:00Z", other.id);
    await run("2025-06-30T22:00:00Z", "2025-07-01T00:00:00Z");
    const rows = (await list()).map((row) => [
      row.period,
      row.status,
      row.runtime_hours,
      row.agents,
      row.runs,
      row.peak_concurrent_agents,
    ]);
    expect(rows).toEqual([
      [thisMonth(), "open", 0, 0, 0, 0],
      ["2025-06", "closed", 2, 1, 1, 1],
      ["2025-02", "closed", 3.5, 2, 3, 2],
      ["2025-01", "closed", 744, 1, 1, 1],
      ["2024-12", "closed", 1, 1, 1, 1],
    ]);
    for (const item of await list()) {
      expect(await read(item.period)).toMatchObject(item);
    }
  });

  test("contain all data of a month", async () => {
    await owner.api.organizations.update({
      params: { org_id: org.id },
      body: { billing_email: "billing@example.com", max_concurrent_agents: 7 },
    });
    const second = await makeAgent(owner, (await makeProject(owner, org.id)).id);
    await run("2025-04-29T22:00:00Z", "2025-04-30T02:00:00Z");
    await run("2025-04-30T01:00:00Z", "2025-05-01T01:00:00Z", second.id);
    const statement = await read("2025-04");
    expect(statement).toMatchObject({
      organization: { id: org.id, name: org.name, slug: org.slug },
      billing_email: "billing@example.com",
      period: "2025-04",
      period_start: "2025-04-01T00:00:00.000Z",
      period_end: "2025-05-01T00:00:00.000Z",
      status: "closed",
      current_limits: { max_concurrent_agents: 7, max_agent_runtime_hours: 100 },
      runtime_hours: 27,
      agents: 2,
      runs: 2,
      peak_concurrent_agents: 2,
      by_project: [
        { project_id: second.project_id, agents: 1, runs: 1, runtime_hours: 23 },
        { project_id: project.id, agents: 1, runs: 1, runtime_hours: 4 },
      ],
      by_agent: [
        { agent_id: second.id, runtime_hours: 23 },
        { agent_id: agent.id, runtime_hours: 4 },
      ],
    });
    expect(statement.by_day).toHaveLength(30);
    expect(statement.by_day.slice(28)).toEqual([
      { date: "2025-04-29", runtime_hours: 2, peak_concurrent_agents: 1 },
      { date: "2025-04-30", runtime_hours: 25, peak_concurrent_agents: 2 },
    ]);
    // An empty month between two others has an empty statement.
    expect(await read("2025-06")).toMatchObject({ runs: 0, runtime_hours: 0, by_agent: [] });
  });

  test.each([
    "2019-12",
    "2999-01",
    "0000-01",
    "2025-13",
    "2025",
    "x",
    "2025-04-01",
    "%00",
    "../../",
  ])("there is none for %s", async (period) => {
    await expectProblem(read(period), 404, "not_found");
  });

  test("stay readable in an archived organization", async () => {
    await run("2025-04-01T00:00:00Z", "2025-04-01T01:00:00Z");
    await owner.api.organizations.archive({ params: { org_id: org.id } });
    expect((await read("2025-04")).runtime_hours).toBe(1);
    expect(await list()).toHaveLength(2);
    expect((await get("/usage?by=day&period=2025-04")).status).toBe(200);
  });

  test.each([
    ["member", 200, 403],
    ["viewer", 200, 403],
    ["admin", 200, 200],
    ["agent_executor", 403, 403],
  ] as const)(
    "a %s gets status %d for usage and %d for statements",
    async (role, usage, statements) => {
      const person = await app.person(role);
      await owner.api.members.add({
        params: { org_id: org.id },
        body: { user_id: person.id, role_id: systemRoleIds[role as SystemRole] },
      });
      const params = { org_id: org.id };
      const usages = [{}, { by: "agent" }, { period: thisMonth() }] as const;
      for (const query of usages) {
        const call = person.api.usage.get({ params, query });
        if (usage === 200) expect((await call).status).toBe(200);
        else {
          const problem = await expectProblem(call, 403, "insufficient_permission");
          expect(problem.missing_permissions).toEqual(["org:read"]);
        }
      }
      for (const call of [() => list(person.api), () => read(thisMonth(), person.api)]) {
        if (statements === 200) await call();
        else {
          const problem = await expectProblem(call(), 403, "insufficient_permission");
          expect(problem.missing_permissions).toEqual(["org:billing:read"]);
        }
      }
    },
  );

  test("a key can read them within its scopes", async () => {
    const keyOf = async (scope: string) =>
      app.client(
        (
          await owner.api.apiKeys.create({
            body: { name: "books", scopes: [`org:${org.slug}:${scope}`] },
          })
        ).data.key as string,
      );
    await expectProblem(list(await keyOf("org:read")), 403, "insufficient_permission");
    expect(await list(await keyOf("org:billing:read"))).toHaveLength(1);
  });

  test("are denied to strangers and anonymous callers", async () => {
    const stranger = await app.person("stranger");
    await expectProblem(list(stranger.api), 404, "not_found");
    await expectProblem(read(thisMonth(), stranger.api), 404, "not_found");
    await expectProblem(read(thisMonth(), app.client()), 401, "unauthenticated");
    const params = { org_id: randomUUID(), period: thisMonth() };
    await expectProblem(owner.api.usage.statement({ params, query: {} }), 404, "not_found");
  });

  describe("as CSV", () => {
    const lines = (text: string): string[] => {
      expect(text.endsWith("\r\n")).toBe(true);
      return text.slice(0, -2).split("\r\n");
    };

    test("are a download with a header, CRLF, exact hours and sections that add up", async () => {
      await run("2025-04-30T01:00:00Z", "2025-04-30T01:20:00Z");
      const answer = await get("/statements/2025-04", { accept: "text/csv" });
      expect(answer.status).toBe(200);
      expect(answer.headers.get("content-type")).toBe("text/csv; charset=utf-8; header=present");
      expect(answer.headers.get("content-disposition")).toBe(
        `attachment; filename="statement-${org.slug}-2025-04.csv"`,
      );
      expect(answer.headers.get("vary")).toContain("Accept");
      const [header, ...rows] = lines(answer.text);
      expect(header).toBe(
        "section,organization,billing_email,period,status,date,project_id,project_name,agent_id,agent_name,agents,runs,peak_concurrent_agents,runtime_hours,current_max_concurrent_agents,current_max_agent_runtime_hours,provider,model,requests,input_tokens,output_tokens,cache_read_tokens,cache_write_tokens,cost_usd",
      );
      const of = `${org.name},,2025-04,closed`;
      expect(rows.slice(0, 3)).toEqual([
        `total,${of},,,,,,1,1,1,0.3333,5,100,,,,,,,,`,
        `project,${of},,${project.id},${project.name},,,1,1,,0.3333,5,100,,,,,,,,`,
        `agent,${of},,${project.id},${project.name},${agent.id},${agent.name},,1,,0.3333,5,100,,,,,,,,`,
      ]);
      expect(rows).toHaveLength(33);
      expect(rows[32]).toBe(`day,${of},2025-04-30,,,,,,,1,0.3333,5,100,,,,,,,,`);
    });

    test("lists and usage are downloads, too, each with its own name", async () => {
      await run("2025-04-30T01:00:00Z", "2025-04-30T01:20:00Z");
      const file = async (path: string) => {
        const { headers, text } = await get(path);
        return [/"(.*)"/.exec(headers.get("content-disposition") ?? "")?.[1], ...lines(text)];
      };
      const [name, header, ...months] = await file("/statements?format=csv");
      expect(name).toBe(`statements-${org.slug}.csv`);
      expect(header).toBe(
        "period,period_start,period_end,status,agents,runs,peak_concurrent_agents,runtime_hours",
      );
      expect(months[1]).toBe(
        "2025-04,2025-04-01T00:00:00.000Z,2025-05-01T00:00:00.000Z,closed,1,1,1,0.3333",
      );
      expect(await file("/usage?format=csv&period=2025-04")).toEqual([
        `usage-${org.slug}-2025-04.csv`,
        "period,period_start,period_end,concurrent_agents,concurrent_agents_limit,runtime_hours,runtime_hours_limit",
        "2025-04,2025-04-01T00:00:00.000Z,2025-05-01T00:00:00.000Z,0,5,0.3333,100",
      ]);
      expect(await file("/usage?format=csv&period=2025-04&by=agent")).toEqual([
        `usage-${org.slug}-2025-04-by-agent.csv`,
        "period,project_id,project_name,agent_id,agent_name,runs,runtime_hours",
        `2025-04,${project.id},${project.name},${agent.id},${agent.name},1,0.3333`,
      ]);
      expect(await file("/usage?format=csv&period=2025-04&by=project")).toEqual([
        `usage-${org.slug}-2025-04-by-project.csv`,
        "period,project_id,project_name,agents,runs,runtime_hours",
        `2025-04,${project.id},${project.name},1,1,0.3333`,
      ]);
      const days = await file("/usage?format=csv&period=2025-04&by=day");
      expect(days.slice(0, 3)).toEqual([
        `usage-${org.slug}-2025-04-by-day.csv`,
        "date,peak_concurrent_agents,runtime_hours,tokens,cost_usd",
        "2025-04-01,0,0.0000,0,0",
      ]);
      expect(days).toHaveLength(32);
      expect((await file("/usage?format=csv"))[0]).toBe(`usage-${org.slug}-${thisMonth()}.csv`);
    });

    test.each([
      [`=HYPERLINK("http://x","y")`, `"'=HYPERLINK(""http://x"",""y"")"`],
      ["+1", "'+1"],
      ["-1", "'-1"],
      ["@SUM(A1)", "'@SUM(A1)"],
      ["Müller, Söhne", `"Müller, Söhne"`],
      ["a\r\nb", `"a\r\nb"`],
      ["1 = 1", "1 = 1"],
    ])("a project named %j is the cell %s", async (name, cell) => {
      const body = { organization_id: org.id, name, slug: "any" };
      const { data: named } = await owner.api.projects.create({ body });
      const worker = await makeAgent(owner, named.id);
      await run("2025-04-30T01:00:00Z", "2025-04-30T01:20:00Z", worker.id);
      const { text } = await get("/usage?by=project&period=2025-04&format=csv");
      expect(text).toContain(`2025-04,${named.id},${cell},1,1,0.3333\r\n`);
    });

    test.each([
      [undefined, "application/json; charset=utf-8"],
      ["*/*", "application/json; charset=utf-8"],
      ["text/csv", "text/csv; charset=utf-8; header=present"],
      ["application/json;q=0.5, Text/CSV", "text/csv; charset=utf-8; header=present"],
      ["application/json, text/csv;q=0.5", "application/json; charset=utf-8"],
      ["text/csv;q=0", "application/json; charset=utf-8"],
    ])("with Accept %s the response is %s", async (accept, type) => {
      const answer = await get("/usage", accept === undefined ? {} : { accept });
      expect([answer.status, answer.headers.get("content-type")]).toEqual([200, type]);
      expect(answer.headers.get("vary")).toContain("Accept");
    });

    test("a link in a page is authorized by the session's cookie", async () => {
      const login = await send(app, "POST", "/api/v1/auth/login", {
        body: { email: owner.email, password: owner.password },
        headers: { origin: app.url },
      });
      const cookie = login.headers
        .getSetCookie()
        .map((line) => line.split(";")[0])
        .join("; ");
      const path = `/api/v1/organizations/${org.id}/statements/${thisMonth()}?format=csv`;
      const answer = await send(app, "GET", path, { headers: { cookie } });
      expect([answer.status, answer.text.slice(0, 8)]).toEqual([200, "section,"]);
    });

    test("errors are problem documents, also for an unknown format", async () => {
      const refused = await get("/usage?period=1999-01", { accept: "text/csv" });
      expect([refused.status, problemOf(refused).code]).toEqual([422, "validation_failed"]);
      const unknown = await get("/statements?format=pdf");
      expect(problemOf(unknown).errors?.[0]?.loc).toEqual(["query", "format"]);
    });
  });
});
