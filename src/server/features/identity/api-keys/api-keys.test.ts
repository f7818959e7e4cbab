import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import type { ApiKey } from "#shared/api/identity/api-keys.js";
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

describe("API keys", () => {
  let app: TestApp;
  let owner: TestPerson;
  let org: Organization;
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("owner");
    org = await makeOrganization(owner);
  });

  const create = async (body: Parameters<typeof owner.api.apiKeys.create>[0]["body"]) =>
    (await owner.api.apiKeys.create({ body })).data;

  test("are returned in full only on creation", async () => {
    const { status, headers, data } = await owner.api.apiKeys.create({
      body: { name: "CI/CD Integration", description: "Deploys", organization_id: org.id },
    });
    expect(status).toBe(201);
    expect(headers.get("cache-control")).toBe("no-store");
    const key = data.key as string;
    expect(key).toMatch(/^sk_live_[0-9A-Za-z]{36}$/);
    expect(data).toMatchObject({
      name: "CI/CD Integration",
      description: "Deploys",
      key_prefix: key.slice(0, 14),
      key_hint: `${key.slice(0, 14)}...${key.slice(-6)}`,
      is_active: true,
      status: "active",
      scopes: [`org:${org.slug}:*`],
      organization_id: org.id,
      agent_id: null,
      last_used_at: null,
      last_used_ip: null,
      expires_at: null,
      revoked_at: null,
      allowed_ips: null,
    });
    expect((await app.client(key).auth.me()).data.id).toBe(owner.id);

    const params = { key_id: data.id };
    const { key: _, ...presentKeys } = data;
    const { data: again } = await owner.api.apiKeys.get({ params });
    expect({ ...again, last_used_at: null, last_used_ip: null }).toEqual(presentKeys);
    const renamed = await owner.api.apiKeys.update({ params, body: { name: "CI" } });
    const listed = await owner.api.apiKeys.list();
    for (const answer of [again, renamed.data, listed.data]) {
      expect(JSON.stringify(answer)).not.toContain(key);
      expect(JSON.stringify(answer)).not.toContain(key.slice(14, -6));
    }
  });

  test("are not stored in the database", async () => {
    const { id, key } = await create({ name: "secret" });
    const [row] = await queryAsOwner<{ text: string }>(
      app,
      "select k::text as text from api_keys k where id = $1",
      [id],
    );
    const secret = (key as string).slice(14, -6);
    expect(row?.text).not.toContain(secret);
    const hex = (text: string) => Buffer.from(text).toString("hex");
    expect(row?.text).not.toContain(hex(secret));
    const tables = await queryAsOwner<{ name: string }>(
      app,
      "select relname as name from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace",
    );
    for (const { name } of tables) {
      const found = await queryAsOwner(app, `select from ${name} t where t::text like $1`, [
        `%${secret}%`,
      ]);
      expect([name, found.length]).toEqual([name, 0]);
    }
  });

  test("take scopes for everything, for an organization, or for single permissions in it", async () => {
    for (const [input, scopes, organization_id] of [
      [{}, ["*:*"], null],
      [{ scopes: ["*:*"] }, ["*:*"], null],
      [{ scopes: [`org:${org.slug}:*`] }, [`org:${org.slug}:*`], org.id],
      [
        { scopes: [`org:${org.slug}:project:read`, `org:${org.slug}:agent:*`] },
        [`org:${org.slug}:project:read`, `org:${org.slug}:agent:*`],
        org.id,
      ],
      [
        {
          scopes: [`org:${org.slug}:org:read`, `org:${org.slug}:org:read`],
          organization_id: org.id,
        },
        [`org:${org.slug}:org:read`],
        org.id,
      ],
      [{ organization_id: org.id.toUpperCase() }, [`org:${org.slug}:*`], org.id],
    ] as const) {
      const wanted = { name: "scoped", ...(input as { scopes?: string[] }) };
      expect(await create(wanted)).toMatchObject({ scopes, organization_id });
    }
  });

  test("show an organization's current slug and survive its change", async () => {
    const renamed = await makeOrganization(owner);
    const params = { org_id: renamed.id };
    const { id, key } = await create({ name: "k", organization_id: renamed.id });
    const slug = `${renamed.slug}-new`;
    await owner.api.organizations.update({ params, body: { slug } });
    const { data } = await owner.api.apiKeys.get({ params: { key_id: id } });
    expect(data.scopes).toEqual([`org:${slug}:*`]);
    const found = await app.client(key as string).organizations.get({ params });
    expect(found.data.slug).toBe(slug);
  });

  test("expire after days or at a time", async () => {
    const before = Date.now();
    const { expires_at } = await create({ name: "k", expires_in_days: 30 });
    const days = (Date.parse(expires_at as string) - before) / 86_400_000;
    expect(days).toBeGreaterThanOrEqual(30);
    expect(days).toBeLessThan(30.01);
    const at = await create({ name: "k", expires_at: "2199-12-31T23:59:59+02:00" });
    expect(at.expires_at).toBe("2199-12-31T21:59:59.000Z");
  });

  test("invalid input is 422 naming the field", async () => {
    const many = Array.from({ length: 101 }, () => "*:*");
    const stranger = await makeOrganization(await app.person("stranger"));
    const second = await makeOrganization(owner);
    const wrong: [unknown, string][] = [
      [{}, "body.name"],
      [{ name: " " }, "body.name"],
      [{ name: "x".repeat(256) }, "body.name"],
      [{ name: "k", description: "x".repeat(2001) }, "body.description"],
      [{ name: "k", scopes: [] }, "body.scopes"],
      [{ name: "k", scopes: many }, "body.scopes"],
      [{ name: "k", scopes: [1] }, "body.scopes.0"],
      [{ name: "k", scopes: ["*:*", "everything"] }, "body.scopes.1"],
      [{ name: "k", scopes: ["*"] }, "body.scopes.0"],
      [{ name: "k", scopes: ["org:*:*"] }, "body.scopes.0"],
      [{ name: "k", scopes: [`org:${org.slug}:org:fly`] }, "body.scopes.0"],
      [{ name: "k", scopes: [`org:${org.slug}:org:re*`] }, "body.scopes.0"],
      [{ name: "k", scopes: [`org:${org.slug}:`] }, "body.scopes.0"],
      [{ name: "k", scopes: [`org:${org.slug}`] }, "body.scopes.0"],
      [{ name: "k", scopes: [`org:${org.slug}:project:read`, "org:a\u0000:*"] }, "body.scopes.1"],
      [{ name: "k", scopes: ["org:no-such-one:*"] }, "body.scopes.0"],
      [{ name: "k", scopes: [`org:${stranger.slug}:*`] }, "body.scopes.0"],
      [{ name: "k", scopes: [`org:${second.slug}:*`], organization_id: org.id }, "body.scopes.0"],
      [{ name: "k", organization_id: stranger.id }, "body.organization_id"],
      [{ name: "k", organization_id: randomUUID() }, "body.organization_id"],
      [{ name: "k", organization_id: "acme" }, "body.organization_id"],
      [{ name: "k", expires_in_days: 0 }, "body.expires_in_days"],
      [{ name: "k", expires_in_days: 3651 }, "body.expires_in_days"],
      [{ name: "k", expires_in_days: 1.5 }, "body.expires_in_days"],
      [{ name: "k", expires_at: "2020-01-01T00:00:00Z" }, "body.expires_at"],
      [{ name: "k", expires_at: "tomorrow" }, "body.expires_at"],
      [{ name: "k", expires_at: "2199-01-01T00:00:00Z", expires_in_days: 1 }, "body.expires_at"],
      [{ name: "k", key: "sk_live_mine" }, "body.key"],
    ];
    for (const [body, field] of wrong) {
      const answer = await send(app, "POST", "/api/v1/auth/api-keys", { token: owner.token, body });
      const said = [JSON.stringify(body), answer.status, fieldsOf(JSON.parse(answer.text))];
      expect(said).toEqual([JSON.stringify(body), 422, [field]]);
    }
  });

  test("are renamed and described field by field", async () => {
    const { id } = await create({ name: "k", description: "d" });
    const params = { key_id: id };
    const update = async (body: { name?: string; description?: string | null }) =>
      (await owner.api.apiKeys.update({ params, body })).data;
    expect(await update({ name: "n" })).toMatchObject({ name: "n", description: "d" });
    expect(await update({ description: null })).toMatchObject({ name: "n", description: null });
    expect(await update({})).toMatchObject({ name: "n", description: null });
    const scopes = { scopes: ["*:*"] } as object;
    const problem = await expectProblem(
      owner.api.apiKeys.update({ params, body: scopes }),
      422,
      "validation_failed",
    );
    expect(fieldsOf(problem)).toEqual(["body.scopes"]);
  });

  test("of another user are not found", async () => {
    const { id } = await create({ name: "mine" });
    const other = await app.person("other");
    for (const key_id of [id, randomUUID()]) {
      const params = { key_id };
      await expectProblem(other.api.apiKeys.get({ params }), 404, "not_found");
      await expectProblem(
        other.api.apiKeys.update({ params, body: { name: "x" } }),
        404,
        "not_found",
      );
      await expectProblem(other.api.apiKeys.revoke({ params }), 404, "not_found");
    }
    expect((await other.api.apiKeys.list()).data).toEqual([]);
    const { data } = await owner.api.apiKeys.get({ params: { key_id: id } });
    expect(data).toMatchObject({ name: "mine", status: "active" });
  });

  test("are listed in pages, newest first, inactive ones included", async () => {
    const lister = await app.person("lister");
    const ids: string[] = [];
    for (let number = 0; number < 5; number += 1) {
      ids.unshift((await lister.api.apiKeys.create({ body: { name: `k${number}` } })).data.id);
    }
    await lister.api.apiKeys.revoke({ params: { key_id: ids[1] as string } });
    const { seen, pages } = await walk(lister.token);
    expect(seen.map(({ id }) => id)).toEqual(ids);
    expect(pages).toBe(3);
    expect(seen[1]).toMatchObject({ status: "revoked", is_active: false });
  });

  test("are listed in full pages through a key of one organization, too", async () => {
    const lister = await app.person("lister");
    const { id: orgId } = await makeOrganization(lister);
    const make = async (body: { organization_id?: string }) =>
      (await lister.api.apiKeys.create({ body: { name: "k", ...body } })).data;
    const scoped = await make({ organization_id: orgId });
    const ids = [scoped.id];
    for (let number = 0; number < 8; number += 1) {
      if (number % 3 === 0) ids.unshift((await make({ organization_id: orgId })).id);
      else await make({});
    }
    await make({});
    await make({});
    const { seen } = await walk(scoped.key as string);
    expect(seen.map(({ id }) => id)).toEqual(ids);
  });

  async function walk(token: string): Promise<{ seen: ApiKey[]; pages: number }> {
    const seen: ApiKey[] = [];
    let pages = 0;
    for (let next: string | undefined = "/api/v1/auth/api-keys?limit=2"; next !== undefined;) {
      const { headers, text } = await send(app, "GET", next, { token });
      seen.push(...(JSON.parse(text) as ApiKey[]));
      pages += 1;
      next = /<([^>]+)>; rel="next"/.exec(headers.get("link") ?? "")?.[1];
    }
    return { seen, pages };
  }
});
