import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { makeAgent, makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { fieldsOf, send } from "#test/support/http/raw-request.js";

describe("organizations", () => {
  let app: TestApp;
  let owner: TestPerson;
  beforeAll(async () => {
    app = await startTestApp();
    owner = await app.person("owner");
  });
  afterAll(() => app.close());

  test("the documented example request returns the documented response", async () => {
    const { status, data } = await owner.api.organizations.create({
      body: {
        name: "Acme Corp",
        slug: "acme-corp",
        description: "Engineering team at Acme",
        billing_email: "billing@acme.com",
      },
    });
    expect(status).toBe(201);
    expect(data).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/) as string,
      name: "Acme Corp",
      slug: "acme-corp",
      description: "Engineering team at Acme",
      owner_id: owner.id,
      billing_email: "billing@acme.com",
      is_active: true,
      max_concurrent_agents: 5,
      max_agent_runtime_hours: 100,
      max_model_cost_usd: null,
      max_model_tokens: null,
      allowed_models: null,
      max_open_child_tasks: 20,
      settings: {},
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as string,
      updated_at: data.created_at,
      archived_at: null,
    });
    for (const org_id of [data.id, "acme-corp", data.id.toUpperCase()]) {
      expect((await owner.api.organizations.get({ params: { org_id } })).data).toEqual(data);
    }
  });

  test("the list contains role, owner, counts and usage in one request", async () => {
    const lister = await app.person("lister");
    expect((await lister.api.organizations.list()).data).toEqual([]);
    const { id, name, slug } = await makeOrganization(lister);
    const project = await makeProject(lister, id);
    const agent = await makeAgent(lister, project.id);
    await makeAgent(lister, project.id);
    const run = { params: { agent_id: agent.id }, body: { external: true } } as const;
    await lister.api.runs.create(run);
    const { data } = await lister.api.organizations.list();
    const { data: usage } = await lister.api.usage.get({ params: { org_id: id } });
    expect(data).toEqual([
      {
        id,
        name,
        slug,
        role: "owner",
        is_active: true,
        owner: { id: lister.id, email: lister.email },
        counts: { members: 3, people: 1, projects: 1, agents: 2 },
        usage: {
          ...usage,
          runtime_hours: { ...usage.runtime_hours, current: expect.any(Number) as number },
        },
      },
    ]);
    expect(usage).toMatchObject({
      concurrent_agents: { current: 1, limit: 5 },
      runtime_hours: { limit: 100 },
    });
    const start = new Date(usage.period_start);
    const now = new Date();
    expect(usage.period_start).toMatch(/-01T00:00:00\.000Z$/);
    expect([start.getUTCFullYear(), start.getUTCMonth()]).toEqual([
      now.getUTCFullYear(),
      now.getUTCMonth(),
    ]);
    expect(usage.period_end).toBe(
      new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1)).toISOString(),
    );
  });

  test("the list is paged in creation order by the Link header", async () => {
    const lister = await app.person("lister");
    const ids: string[] = [];
    for (let number = 0; number < 5; number += 1) ids.push((await makeOrganization(lister)).id);
    const seen: string[][] = [];
    for (let next: string | undefined = "/api/v1/organizations?limit=2"; next !== undefined;) {
      const { headers, text } = await send(app, "GET", next, { token: lister.token });
      seen.push((JSON.parse(text) as { id: string }[]).map(({ id }) => id));
      next = /^<([^>]+)>; rel="next"$/.exec(headers.get("link") ?? "")?.[1];
    }
    expect(seen).toEqual([ids.slice(0, 2), ids.slice(2, 4), ids.slice(4)]);
    const all = await send(app, "GET", "/api/v1/organizations?limit=5", { token: lister.token });
    expect(all.headers.get("link")).toBeNull();
    for (const [query, field] of [
      ["limit=0", "query.limit"],
      ["limit=201", "query.limit"],
      ["limit=ten", "query.limit"],
      ["limit=1.5", "query.limit"],
      ["cursor=%00", "query.cursor"],
      ["cursor=abc", "query.cursor"],
      [`cursor=${Buffer.from('["x"]').toString("base64url")}`, "query.cursor"],
      [`cursor=${Buffer.from("[1]").toString("base64url")}`, "query.cursor"],
      ["include_archived=yes", "query.include_archived"],
      ["page=2", "query.page"],
    ] as const) {
      const answer = await send(app, "GET", `/api/v1/organizations?${query}`, {
        token: lister.token,
      });
      expect([query, answer.status, fieldsOf(JSON.parse(answer.text))]).toEqual([
        query,
        422,
        [field],
      ]);
    }
  });

  test("a PATCH changes the given fields; null clears", async () => {
    const { data: org } = await owner.api.organizations.create({
      body: {
        name: "Before",
        description: "d",
        billing_email: "Billing@Example.com",
        settings: { theme: "dark", deep: { a: [1, null, "x"] } },
        max_concurrent_agents: 7,
        max_agent_runtime_hours: 12.5,
      },
    });
    expect(org.billing_email).toBe("billing@example.com");
    const params = { org_id: org.id };
    const patch = async (body: Parameters<typeof owner.api.organizations.update>[0]["body"]) =>
      (await owner.api.organizations.update({ params, body })).data;
    const { updated_at: _, ...before } = org;
    expect(await patch({})).toMatchObject(before);
    expect(await patch({ name: "After" })).toMatchObject({ ...before, name: "After" });
    const cleared = await patch({ description: null, billing_email: null });
    expect(cleared).toMatchObject({
      ...before,
      name: "After",
      description: null,
      billing_email: null,
    });
    // Replaced, not merged.
    expect((await patch({ settings: { locale: "de" } })).settings).toEqual({ locale: "de" });
    const { data } = await owner.api.organizations.get({ params });
    expect(data).toMatchObject({
      name: "After",
      max_concurrent_agents: 7,
      settings: { locale: "de" },
    });
    expect(Date.parse(data.updated_at)).toBeGreaterThan(Date.parse(data.created_at));

    for (const body of [{ name: null }, { settings: null }, { slug: null }, { settings: [] }]) {
      const call = owner.api.organizations.update({ params, body: body as object });
      const problem = await expectProblem(call, 422, "validation_failed");
      expect(fieldsOf(problem)).toEqual([`body.${Object.keys(body)[0]}`]);
    }
  });

  test("read-only fields are rejected by name", async () => {
    const org = await makeOrganization(owner);
    const fields = {
      id: org.id,
      owner_id: owner.id,
      is_active: false,
      archived_at: null,
      colour: "red",
    };
    for (const [method, path] of [
      ["POST", "/api/v1/organizations"],
      ["PATCH", `/api/v1/organizations/${org.id}`],
    ] as const) {
      const body = { name: "x", ...fields };
      const answer = await send(app, method, path, { token: owner.token, body });
      expect(answer.status).toBe(422);
      expect(fieldsOf(JSON.parse(answer.text)).sort()).toEqual(
        Object.keys(fields)
          .map((field) => `body.${field}`)
          .sort(),
      );
    }
    const { data } = await owner.api.organizations.get({ params: { org_id: org.id } });
    expect(data).toEqual(org);
  });

  test("invalid or too long text is 422 by field", async () => {
    const deep = JSON.parse(`${'{"a":'.repeat(3000)}1${"}".repeat(3000)}`) as object;
    for (const [body, field] of [
      [{}, "body.name"],
      [{ name: "" }, "body.name"],
      [{ name: "  " }, "body.name"],
      [{ name: 7 }, "body.name"],
      [{ name: "x".repeat(256) }, "body.name"],
      [{ name: "a\u0000b" }, "body.name"],
      [{ name: "x", description: "\u0000" }, "body.description"],
      [{ name: "x", description: "x".repeat(2001) }, "body.description"],
      [{ name: "x", billing_email: "nobody" }, "body.billing_email"],
      [{ name: "x", billing_email: `${"x".repeat(250)}@example.com` }, "body.billing_email"],
      [{ name: "x", settings: { a: "\u0000" } }, "body.settings.a"],
      [{ name: "x", settings: { a: ["\ud800"] } }, "body.settings.a.0"],
      [{ name: "x", settings: { a: "x".repeat(16 * 1024) } }, "body.settings"],
      [{ name: "x", settings: deep }, "body.settings"],
      [{ name: "x", settings: "dark" }, "body.settings"],
    ] as const) {
      const token = owner.token;
      const answer = await send(app, "POST", "/api/v1/organizations", { token, body });
      expect([answer.status, fieldsOf(JSON.parse(answer.text))]).toEqual([422, [field]]);
    }
    const name = `  ${"ü".repeat(255)}  `;
    const settings = { text: "😀", ключ: ["\\"] };
    const { data } = await owner.api.organizations.create({ body: { name, settings } });
    expect(data).toMatchObject({ name: name.trim(), settings });
  });
});
