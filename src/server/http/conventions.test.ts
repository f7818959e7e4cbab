import { beforeAll, describe, expect, test } from "vitest";
import {
  expectProblem,
  sharedTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import type { Endpoint } from "#shared/contract/endpoint.js";
import { api } from "#shared/api/index.js";
import { makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { systemRoleIds } from "../db/migrate.js";
import { isItem } from "#shared/contract/item-path.js";
import { itemOf } from "./answers/conditional.js";

describe("conventions", () => {
  let app: TestApp;
  let owner: TestPerson;
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("owner");
  });

  test("the same Idempotency-Key and body replays the first response", async () => {
    const headers = { "idempotency-key": "create-acme" };
    const request = { body: { name: "Acme" } };
    const first = await owner.api.organizations.create(request, { headers });
    const second = await owner.api.organizations.create(request, { headers });
    expect(second.data).toEqual(first.data);
    expect([second.status, second.headers.get("idempotent-replayed")]).toEqual([201, "true"]);
    const { data: list } = await owner.api.organizations.list();
    expect(list.filter(({ name }) => name === "Acme")).toHaveLength(1);
  });

  test("the same key is 422 with another body and a new request for another person", async () => {
    const headers = { "idempotency-key": "one-key" };
    await owner.api.organizations.create({ body: { name: "One" } }, { headers });
    await expectProblem(
      owner.api.organizations.create({ body: { name: "Other" } }, { headers }),
      422,
      "idempotency_mismatch",
    );
    const other = await app.person();
    const { data } = await other.api.organizations.create({ body: { name: "Other" } }, { headers });
    expect(data.owner_id).toBe(other.id);
  });

  test("of many concurrent requests with one key only one takes effect", async () => {
    const headers = { "idempotency-key": "at-once" };
    const results = await Promise.allSettled(
      Array.from({ length: 10 }, () =>
        owner.api.organizations.create({ body: { name: "At once" } }, { headers }),
      ),
    );
    for (const result of results) {
      if (result.status === "rejected") {
        await expectProblem(Promise.reject(result.reason as Error), 409, "idempotency_in_flight");
      }
    }
    const { data: list } = await owner.api.organizations.list();
    expect(list.filter(({ name }) => name === "At once")).toHaveLength(1);
  });

  test("an error is not stored, so the request can be retried", async () => {
    const headers = { "idempotency-key": "try-again" };
    const body = { name: "Again", slug: "again" };
    await owner.api.organizations.create({ body });
    await expectProblem(owner.api.organizations.create({ body }, { headers }), 409, "slug_taken");
    await expectProblem(owner.api.organizations.create({ body }, { headers }), 409, "slug_taken");
  });

  test("a replayed creation of an API key is 201 without the key, which is not stored", async () => {
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

  test("an invalid Idempotency-Key is 400", async () => {
    const headers = { "idempotency-key": "x".repeat(256) };
    await expectProblem(
      owner.api.organizations.create({ body: { name: "Long" } }, { headers }),
      400,
      "bad_request",
    );
  });

  test("If-Match rejects a change based on an outdated version", async () => {
    const { id } = await makeOrganization(owner);
    const params = { org_id: id };
    const seen = await owner.api.organizations.get({ params });
    const headers = { "if-match": seen.headers.get("etag") ?? "" };
    const rename = (name: string) =>
      owner.api.organizations.update({ params, body: { name } }, { headers });
    const outcomes = await Promise.allSettled([rename("First"), rename("Second")]);
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
    await expectProblem(rename("Third"), 412, "stale");
    const again = await owner.api.organizations.get({ params });
    expect(again.headers.get("etag")).not.toBe(seen.headers.get("etag"));
  });

  test("If-Match guards updates and removals of members and roles", async () => {
    const org = await makeOrganization(owner);
    const person = await app.person("guarded");
    const { data: role } = await owner.api.roles.create({
      params: { org_id: org.id },
      body: { name: "guarded", permissions: ["project:read"] },
    });
    const { data: member } = await owner.api.members.add({
      params: { org_id: org.id },
      body: { user_id: person.id, role_id: systemRoleIds.viewer },
    });
    const memberAt = { params: { org_id: org.id, member_id: member.id } };
    const roleAt = { params: { org_id: org.id, role_id: role.id } };
    const tagOf = async (call: Promise<{ headers: Headers }>) => ({
      headers: { "if-match": (await call).headers.get("etag") ?? "" },
    });
    const seenMember = await tagOf(owner.api.members.get(memberAt));
    const seenRole = await tagOf(owner.api.roles.get(roleAt));
    const toMember = { ...memberAt, body: { role_id: systemRoleIds.member } };
    const toRole = { ...roleAt, body: { description: "Changed" } };

    expect((await owner.api.members.update(toMember, seenMember)).status).toBe(200);
    await expectProblem(owner.api.members.update(toMember, seenMember), 412, "stale");
    await expectProblem(owner.api.members.remove(memberAt, seenMember), 412, "stale");
    expect((await owner.api.roles.update(toRole, seenRole)).status).toBe(200);
    await expectProblem(owner.api.roles.remove(roleAt, seenRole), 412, "stale");

    const now = [
      await tagOf(owner.api.members.get(memberAt)),
      await tagOf(owner.api.roles.get(roleAt)),
    ] as const;
    expect((await owner.api.members.remove(memberAt, now[0])).status).toBe(204);
    expect((await owner.api.roles.remove(roleAt, now[1])).status).toBe(204);
    await expectProblem(owner.api.members.remove(memberAt, now[0]), 404, "not_found");
  });

  test("If-Match for a part of an item is compared with the item", async () => {
    const org = await makeOrganization(owner);
    const project = await makeProject(owner, org.id);
    const at = { params: { project_id: project.id } };
    const stale = { headers: { "if-match": '"not this one"' } };
    const body = { kind: "https_token", token: "x" } as const;
    await expectProblem(owner.api.upstreams.setCredential({ ...at, body }, stale), 412, "stale");
    await expectProblem(owner.api.upstreams.cancelFetch(at, stale), 412, "stale");
    const { headers } = await owner.api.projects.get(at);
    const seen = { headers: { "if-match": headers.get("etag") ?? "" } };
    await expectProblem(
      owner.api.upstreams.setCredential({ ...at, body }, seen),
      409,
      "no_upstream",
    );
    // The set of all sessions has no ETag to compare with.
    await expectProblem(owner.api.auth.endOtherSessions({}, stale), 412, "stale");
  });

  test("every PATCH, PUT and DELETE has an item to compare If-Match with", () => {
    const endpoints = Object.values(api).flatMap((resource) =>
      Object.values(resource as Record<string, Endpoint>),
    );
    const items = new Map(
      endpoints
        .filter((endpoint) => endpoint.method === "GET" && isItem(endpoint))
        .map(({ path }) => [path, async () => undefined]),
    );
    const without = endpoints.filter(
      ({ method, path }) =>
        ["PATCH", "PUT", "DELETE"].includes(method) && itemOf(path, items) === undefined,
    );
    expect(without.map(({ method, path }) => `${method} ${path}`)).toEqual([
      "DELETE /api/v1/auth/sessions",
      "PUT /api/v1/auth/me/notifications/organizations/{org_id}",
      "DELETE /api/v1/auth/me/notifications/organizations/{org_id}",
      "PUT /api/v1/organizations/{org_id}/forges/{forge_id}/people/{login}",
      "DELETE /api/v1/organizations/{org_id}/forges/{forge_id}/people/{login}",
      "PUT /api/v1/organizations/{org_id}/attention/{item_key}/dismissal",
      "DELETE /api/v1/organizations/{org_id}/attention/{item_key}/dismissal",
      "DELETE /api/v1/organizations/{org_id}/api-keys/{key_id}",
    ]);
  });

  test("If-None-Match is 304 until the item changes", async () => {
    const { id } = await makeOrganization(owner);
    const url = `${app.url}/api/v1/organizations/${id}`;
    const authorization = `Bearer ${owner.token}`;
    const first = await fetch(url, { headers: { authorization } });
    const etag = first.headers.get("etag") ?? "";
    const second = await fetch(url, { headers: { authorization, "if-none-match": etag } });
    expect([second.status, await second.text()]).toEqual([304, ""]);
  });
});
