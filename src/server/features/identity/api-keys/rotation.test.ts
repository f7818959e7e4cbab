import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import {
  expectProblem,
  sharedTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { makeOrganization } from "#test/support/fixtures/factories.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { fieldsOf, send } from "#test/support/http/raw-request.js";

describe("rotating a key", () => {
  let app: TestApp;
  let sibling: TestApp;
  let owner: TestPerson;
  let org: Organization;
  beforeAll(async () => {
    app = await sharedTestApp();
    sibling = await app.sibling();
    owner = await app.person("owner");
    org = await makeOrganization(owner);
  });
  afterAll(() => sibling.close());

  type Body = Parameters<typeof owner.api.apiKeys.create>[0]["body"];
  const make = async (body: Partial<Body> = {}, by = owner.api) => {
    const { data } = await by.apiKeys.create({ body: { name: "k", ...body } });
    return { ...data, key: data.key as string, params: { key_id: data.id } };
  };

  test("creates a key with the same rights, shown once, and ends the old one everywhere", async () => {
    const old = await make({
      name: "CI",
      description: "Deploys",
      organization_id: org.id,
      expires_at: "2150-01-01T00:00:00Z",
      allowed_ips: ["127.0.0.0/8"],
      rate_limit_per_minute: 600,
    });
    await sibling.client(old.key).auth.me();
    const { status, headers, data } = await owner.api.apiKeys.rotate({ params: old.params });
    expect(status).toBe(201);
    expect(headers.get("cache-control")).toBe("no-store");
    const same = ["name", "description", "scopes", "organization_id", "expires_at"] as const;
    for (const field of [...same, "allowed_ips", "rate_limit_per_minute", "agent_id"] as const) {
      expect([field, data[field]]).toEqual([field, old[field]]);
    }
    expect(data.id).not.toBe(old.id);
    expect(data.key).not.toBe(old.key);
    expect((await app.client(data.key as string).auth.me()).data.id).toBe(owner.id);
    for (const process of [app, sibling]) {
      await expectProblem(process.client(old.key).auth.me(), 401, "invalid_token");
    }
    const { data: ended } = await owner.api.apiKeys.get({ params: old.params });
    expect(ended).toMatchObject({ status: "revoked", replaced_by: data.id });
  });

  test("keeps the old key for the grace period, but not beyond its expiry", async () => {
    const old = await make();
    const before = Date.now();
    const { data } = await owner.api.apiKeys.rotate({
      params: old.params,
      body: { grace_period_seconds: 3600 },
    });
    for (const key of [old.key, data.key as string]) {
      expect((await sibling.client(key).auth.me()).status).toBe(200);
    }
    const { data: ending } = await owner.api.apiKeys.get({ params: old.params });
    const left = Date.parse(ending.expires_at as string) - before;
    expect(left).toBeGreaterThanOrEqual(3_600_000 - 1000);
    expect(left).toBeLessThan(3_700_000);
    expect(data.expires_at).toBeNull();
    await queryAsOwner(app, "update api_keys set expires_at = now() where id = $1", [old.id]);
    await expectProblem(app.client(old.key).auth.me(), 401, "invalid_token");

    const end = new Date(Date.now() + 60_000).toISOString();
    const short = await make({ expires_at: end });
    const body = { grace_period_seconds: 86_400 };
    await owner.api.apiKeys.rotate({ params: short.params, body });
    const { data: shortEnds } = await owner.api.apiKeys.get({ params: short.params });
    expect(shortEnds.expires_at).toBe(end);
  });

  test("one of many concurrent rotations on two processes wins", async () => {
    for (let round = 0; round < 5; round += 1) {
      const old = await make({ organization_id: org.id });
      const body = { grace_period_seconds: round % 2 === 0 ? 0 : 60 };
      const outcomes = await Promise.allSettled(
        Array.from({ length: 8 }, (_, index) =>
          (index % 2 === 0 ? app : sibling)
            .client(owner.token)
            .apiKeys.rotate({ params: old.params, body }),
        ),
      );
      expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      const again = owner.api.apiKeys.rotate({ params: old.params });
      await expectProblem(again, 409, "key_not_active");
    }
  });

  test("rejects a revoked or expired key; another user's is not found", async () => {
    const revoked = await make();
    await owner.api.apiKeys.revoke({ params: revoked.params });
    const expired = await make({ expires_in_days: 1 });
    await queryAsOwner(app, "update api_keys set expires_at = now() where id = $1", [expired.id]);
    for (const { params } of [revoked, expired]) {
      await expectProblem(owner.api.apiKeys.rotate({ params }), 409, "key_not_active");
    }
    const stranger = await app.person("stranger");
    const own = await make();
    for (const key_id of [own.id, randomUUID()]) {
      await expectProblem(stranger.api.apiKeys.rotate({ params: { key_id } }), 404, "not_found");
    }
    for (const grace of [-1, 86_401, 1.5, "60", null]) {
      const answer = await send(app, "POST", `/api/v1/auth/api-keys/${own.id}/rotate`, {
        token: owner.token,
        body: { grace_period_seconds: grace },
      });
      const said = [grace, answer.status, fieldsOf(JSON.parse(answer.text))];
      expect(said).toEqual([grace, 422, ["body.grace_period_seconds"]]);
    }
  });

  test("a key rotates itself and keys within its scopes only", async () => {
    const self = await make({ organization_id: org.id, expires_at: "2150-01-01T00:00:00Z" });
    const longer = await make({ organization_id: org.id });
    const wider = await make();
    const { apiKeys } = app.client(self.key);
    await expectProblem(apiKeys.rotate({ params: longer.params }), 403, "privilege_escalation");
    await expectProblem(apiKeys.rotate({ params: wider.params }), 404, "not_found");
    const body = { grace_period_seconds: 60 };
    const { data } = await apiKeys.rotate({ params: self.params, body });
    expect(data.expires_at).toBe("2150-01-01T00:00:00.000Z");
    // In its grace period the old key cannot create keys that outlive it.
    const child = apiKeys.create({ body: { name: "child", organization_id: org.id } });
    await expectProblem(child, 403, "privilege_escalation");
  });

  test("a repeated request returns the same key without its secret", async () => {
    const old = await make();
    const headers = { "idempotency-key": randomUUID() };
    const rotate = () => owner.api.apiKeys.rotate({ params: old.params, body: {} }, { headers });
    const { data: first } = await rotate();
    const { status, data: second } = await rotate();
    expect([status, second]).toEqual([201, { ...first, key: null }]);
  });

  test("appears in the audit log with the rotated key", async () => {
    const old = await make({ name: "told of", organization_id: org.id });
    const { data } = await owner.api.apiKeys.rotate({ params: old.params });
    const { data: events } = await owner.api.audit.list({
      params: { org_id: org.id },
      query: { action: "api_key.rotated", target_id: old.id },
    });
    expect(events).toEqual([
      expect.objectContaining({
        target: { type: "api_key", id: old.id, name: "told of" },
        changes: { key_hint: { from: old.key_hint, to: data.key_hint } },
      }),
    ]);
    expect(JSON.stringify(events)).not.toContain((data.key as string).slice(14, -6));
  });
});
