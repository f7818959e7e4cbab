import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { makeOrganization } from "#test/support/fixtures/factories.js";
import { fieldsOf, problemOf, send } from "#test/support/http/raw-request.js";

describe("networks and limits of a key", () => {
  let app: TestApp;
  let sibling: TestApp;
  let owner: TestPerson;
  let org: Organization;
  beforeAll(async () => {
    app = await startTestApp({ OMOI_TRUSTED_PROXIES: "127.0.0.1, ::1" });
    sibling = await app.sibling();
    owner = await app.person("owner");
    org = await makeOrganization(owner);
  });
  afterAll(async () => {
    await sibling.close();
    await app.close();
  });

  type Body = Parameters<typeof owner.api.apiKeys.create>[0]["body"];
  const make = async (body: Partial<Body> = {}, by = owner.api) => {
    const { data } = await by.apiKeys.create({ body: { name: "k", ...body } });
    const key = data.key as string;
    return { id: data.id, key, data, api: app.client(key), params: { key_id: data.id } };
  };
  /** Sends a request through the given proxies, the client first. */
  const from = (key: string, forwarded?: string, by: TestApp = app) =>
    send(by, "GET", "/api/v1/auth/me", {
      token: key,
      ...(forwarded === undefined ? {} : { headers: { "x-forwarded-for": forwarded } }),
    });

  test("networks are normalized and deduplicated", async () => {
    const { data } = await make({
      allowed_ips: [
        "10.1.2.3/8",
        " 192.0.2.7 ",
        "2001:DB8::5/32",
        "10.0.0.0/8",
        "::ffff:192.0.2.7",
      ],
    });
    expect(data.allowed_ips).toEqual(["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32"]);
  });

  test("a key is rejected outside its networks by every process", async () => {
    const { key } = await make({ allowed_ips: ["10.0.0.0/8", "2001:db8::/32"] });
    for (const [forwarded, status] of [
      ["10.9.9.9", 200],
      ["11.0.0.1", 403],
      ["2001:db8::1", 200],
      ["2001:db9::1", 403],
      ["::ffff:10.0.0.1", 200],
      [undefined, 403],
      // Only the entry added by the trusted proxy counts.
      ["10.0.0.1, 192.0.2.1", 403],
      ["192.0.2.1, 10.0.0.1", 200],
      ["10.0.0.1, 127.0.0.1", 200],
    ] as const) {
      for (const process of [app, sibling]) {
        const answer = await from(key, forwarded, process);
        expect([forwarded, answer.status]).toEqual([forwarded, status]);
        if (status === 403) expect(problemOf(answer).code).toBe("ip_not_allowed");
      }
    }
  });

  test("a forwarding header of an untrusted proxy is ignored", async () => {
    const alone = await startTestApp();
    const person = await alone.person();
    const { data } = await person.api.apiKeys.create({
      body: { name: "k", allowed_ips: ["10.0.0.0/8"] },
    });
    expect((await from(data.key as string, "10.0.0.1", alone)).status).toBe(403);
    await alone.close();
  });

  test("a change applies to the next request on every process", async () => {
    const { key, params } = await make();
    expect((await from(key, undefined, sibling)).status).toBe(200);
    await owner.api.apiKeys.update({ params, body: { allowed_ips: ["10.0.0.0/8"] } });
    expect((await from(key, undefined, sibling)).status).toBe(403);
    await owner.api.apiKeys.update({ params, body: { allowed_ips: null } });
    expect((await from(key, undefined, sibling)).status).toBe(200);
  });

  test("invalid networks and limits are 422 naming the field", async () => {
    const { id } = await make();
    const many = Array.from({ length: 51 }, (_, index) => `10.0.0.${index}`);
    const wrong: [object, string][] = [
      [{ allowed_ips: [] }, "body.allowed_ips"],
      [{ allowed_ips: many }, "body.allowed_ips"],
      [{ allowed_ips: "10.0.0.0/8" }, "body.allowed_ips"],
      [{ allowed_ips: [1] }, "body.allowed_ips.0"],
      [{ allowed_ips: ["10.0.0.1", "10.0.0.0/33"] }, "body.allowed_ips.1"],
      [{ allowed_ips: ["010.0.0.1"] }, "body.allowed_ips.0"],
      [{ allowed_ips: ["2001:db8::/129"] }, "body.allowed_ips.0"],
      [{ allowed_ips: ["localhost"] }, "body.allowed_ips.0"],
      [{ rate_limit_per_minute: 0 }, "body.rate_limit_per_minute"],
      [{ rate_limit_per_minute: 1.5 }, "body.rate_limit_per_minute"],
      [{ rate_limit_per_minute: 1_000_001 }, "body.rate_limit_per_minute"],
      [{ rate_limit_per_minute: "60" }, "body.rate_limit_per_minute"],
    ];
    for (const [body, field] of wrong) {
      for (const [method, path, more] of [
        ["POST", "/api/v1/auth/api-keys", { name: "k" }],
        ["PATCH", `/api/v1/auth/api-keys/${id}`, {}],
      ] as const) {
        const answer = await send(app, method, path, {
          token: owner.token,
          body: { ...more, ...body },
        });
        const said = [JSON.stringify(body), answer.status, fieldsOf(JSON.parse(answer.text))];
        expect(said).toEqual([JSON.stringify(body), 422, [field]]);
      }
    }
  });

  test("a key cannot allow networks outside its own for any key, including itself", async () => {
    const { api, params } = await make({ allowed_ips: ["127.0.0.0/8", "10.0.0.0/8"] });
    const open = await make();
    const child = (allowed_ips: string[] | null) =>
      api.apiKeys.create({ body: { name: "child", allowed_ips } });
    for (const allowed of [["10.1.0.0/16"], ["127.0.0.1", "10.0.0.0/8"]]) {
      expect((await child(allowed)).status).toBe(201);
    }
    for (const allowed of [null, ["0.0.0.0/0"], ["10.0.0.0/7"], ["10.0.0.1", "::1"]]) {
      await expectProblem(child(allowed), 403, "privilege_escalation");
    }
    const change = (allowed_ips: string[] | null, key = params) =>
      api.apiKeys.update({ params: key, body: { allowed_ips } });
    await expectProblem(change(null), 403, "privilege_escalation");
    await expectProblem(change(["127.0.0.0/8", "11.0.0.0/8"]), 403, "privilege_escalation");
    // It can restrict another key that is wider.
    expect((await change(["192.0.2.0/24"], open.params)).status).toBe(200);
    await expectProblem(change(["192.0.2.0/23"], open.params), 403, "privilege_escalation");
    await expectProblem(api.apiKeys.rotate({ params: open.params }), 403, "privilege_escalation");
    expect((await change(["127.0.0.0/8"])).status).toBe(200);
  });

  test("a limit per minute is shared by all processes and reported in headers", async () => {
    const { key, params } = await make({ rate_limit_per_minute: 5 });
    const answers = [];
    for (let turn = 0; turn < 12; turn += 1) {
      answers.push(await from(key, undefined, turn % 2 === 0 ? app : sibling));
    }
    const passed = answers.filter(({ status }) => status === 200);
    // The minute may change in between: then two windows of five apply.
    expect([5, 6, 7, 8, 9, 10]).toContain(passed.length);
    expect(passed[0]?.headers.get("ratelimit")).toMatch(/^"key";r=4;t=\d+$/);
    expect(passed[0]?.headers.get("ratelimit-policy")).toBe('"key";q=5;w=60');
    const refused = answers.find(({ status }) => status === 429);
    if (!refused) throw new Error("none was refused");
    expect(problemOf(refused).code).toBe("rate_limited");
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(refused.headers.get("ratelimit")).toMatch(/^"key";r=0;t=\d+$/);
    expect(refused.headers.get("ratelimit-policy")).toBe('"key";q=5;w=60');
    // Another key of the same user is not limited.
    const other = await make();
    expect((await from(other.key)).headers.get("ratelimit")).toBeNull();
    await owner.api.apiKeys.update({ params, body: { rate_limit_per_minute: null } });
    expect((await from(key)).status).toBe(200);
  });

  test("concurrent requests do not exceed the limit", async () => {
    const { key } = await make({ rate_limit_per_minute: 3 });
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, turn) => from(key, undefined, turn % 2 === 0 ? app : sibling)),
    );
    expect(answers.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(6);
    expect(answers.some(({ status }) => status === 429)).toBe(true);
  });

  test("a key cannot grant a higher limit than its own", async () => {
    const { api, params } = await make({ rate_limit_per_minute: 1000 });
    const child = (rate_limit_per_minute: number | null) =>
      api.apiKeys.create({ body: { name: "child", rate_limit_per_minute } });
    expect((await child(1000)).status).toBe(201);
    for (const limit of [null, 1001]) {
      await expectProblem(child(limit), 403, "privilege_escalation");
      const body = { rate_limit_per_minute: limit };
      await expectProblem(api.apiKeys.update({ params, body }), 403, "privilege_escalation");
    }
  });

  test("an installation can limit the lifetime of keys", async () => {
    const strict = await startTestApp({ OMOI_MAX_KEY_DAYS: "90" });
    const person = await strict.person();
    const create = (body: Partial<Body>) =>
      person.api.apiKeys.create({ body: { name: "k", ...body } });
    expect((await create({ expires_in_days: 90 })).status).toBe(201);
    const inDays = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString();
    expect((await create({ expires_at: inDays(89) })).status).toBe(201);
    for (const [body, field] of [
      [{}, "body.expires_at"],
      [{ expires_in_days: 91 }, "body.expires_in_days"],
      [{ expires_at: inDays(91) }, "body.expires_at"],
    ] as const) {
      const problem = await expectProblem(create(body), 422, "validation_failed");
      expect(fieldsOf(problem)).toEqual([field]);
    }
    await strict.close();
  });

  test("changes appear in the audit log", async () => {
    const { params } = await make({ organization_id: org.id });
    const body = { allowed_ips: ["10.0.0.0/8"], rate_limit_per_minute: 60 };
    await owner.api.apiKeys.update({ params, body });
    const { data: events } = await owner.api.audit.list({
      params: { org_id: org.id },
      query: { action: "api_key.updated" },
    });
    expect(events[0]?.changes).toEqual({
      allowed_ips: { from: null, to: ["10.0.0.0/8"] },
      rate_limit_per_minute: { from: null, to: 60 },
    });
  });
});
