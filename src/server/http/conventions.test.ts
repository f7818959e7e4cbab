import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { refusal, startTestApp, type TestApp, type TestPerson } from "#test/app.js";
import { makeOrganization } from "#test/factories.js";

describe("conventions", () => {
  let app: TestApp;
  let owner: TestPerson;
  beforeAll(async () => {
    app = await startTestApp();
    owner = await app.person("owner");
  });
  afterAll(() => app.close());

  test("the same Idempotency-Key and body replays the first answer", async () => {
    const headers = { "idempotency-key": "create-acme" };
    const request = { body: { name: "Acme" } };
    const first = await owner.api.organizations.create(request, { headers });
    const second = await owner.api.organizations.create(request, { headers });
    expect(second.data).toEqual(first.data);
    expect([second.status, second.headers.get("idempotent-replayed")]).toEqual([201, "true"]);
    const { data: list } = await owner.api.organizations.list();
    expect(list.filter(({ name }) => name === "Acme")).toHaveLength(1);
  });

  test("the same key with another body is 422, of another person a request of its own", async () => {
    const headers = { "idempotency-key": "one-key" };
    await owner.api.organizations.create({ body: { name: "One" } }, { headers });
    await refusal(
      owner.api.organizations.create({ body: { name: "Other" } }, { headers }),
      422,
      "idempotency_mismatch",
    );
    const other = await app.person();
    const { data } = await other.api.organizations.create({ body: { name: "Other" } }, { headers });
    expect(data.owner_id).toBe(other.id);
  });

  test("of many requests at once with one key one is done", async () => {
    const headers = { "idempotency-key": "at-once" };
    const results = await Promise.allSettled(
      Array.from({ length: 10 }, () =>
        owner.api.organizations.create({ body: { name: "At once" } }, { headers }),
      ),
    );
    for (const result of results) {
      if (result.status === "rejected") {
        await refusal(Promise.reject(result.reason as Error), 409, "idempotency_in_flight");
      }
    }
    const { data: list } = await owner.api.organizations.list();
    expect(list.filter(({ name }) => name === "At once")).toHaveLength(1);
  });

  test("a refusal is not kept: the request may be tried again", async () => {
    const headers = { "idempotency-key": "try-again" };
    const body = { name: "Again", slug: "again" };
    await owner.api.organizations.create({ body });
    await refusal(owner.api.organizations.create({ body }, { headers }), 409, "slug_taken");
    await refusal(owner.api.organizations.create({ body }, { headers }), 409, "slug_taken");
  });

  test("a replayed creation of a key answers 201 without the key, which is kept nowhere", async () => {
    const headers = { "idempotency-key": "a-key" };
    const request = { body: { name: "CI" } };
    const first = await owner.api.apiKeys.create(request, { headers });
    const second = await owner.api.apiKeys.create(request, { headers });
    expect(second.status).toBe(201);
    expect(second.data).toEqual({ ...first.data, key: null });
    const { rows } = await app.db.systemPool.query<{ text: string }>(
      "select string_agg(i::text, '') as text from idempotency_keys i",
    );
    expect(rows[0]?.text).not.toContain(first.data.key);
  });

  test("an Idempotency-Key that is none is 400", async () => {
    const headers = { "idempotency-key": "x".repeat(256) };
    await refusal(
      owner.api.organizations.create({ body: { name: "Long" } }, { headers }),
      400,
      "bad_request",
    );
  });

  test("If-Match refuses a change of what somebody else has changed", async () => {
    const { id } = await makeOrganization(owner);
    const params = { org_id: id };
    const seen = await owner.api.organizations.get({ params });
    const headers = { "if-match": seen.headers.get("etag") ?? "" };
    const rename = (name: string) =>
      owner.api.organizations.update({ params, body: { name } }, { headers });
    const outcomes = await Promise.allSettled([rename("First"), rename("Second")]);
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
    await refusal(rename("Third"), 412, "stale");
    const again = await owner.api.organizations.get({ params });
    expect(again.headers.get("etag")).not.toBe(seen.headers.get("etag"));
  });

  test("If-None-Match answers 304 while nothing has changed", async () => {
    const { id } = await makeOrganization(owner);
    const url = `${app.url}/api/v1/organizations/${id}`;
    const authorization = `Bearer ${owner.token}`;
    const first = await fetch(url, { headers: { authorization } });
    const etag = first.headers.get("etag") ?? "";
    const second = await fetch(url, { headers: { authorization, "if-none-match": etag } });
    expect([second.status, await second.text()]).toEqual([304, ""]);
  });
});
