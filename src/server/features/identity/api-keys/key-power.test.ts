import { beforeAll, describe, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import { systemRoleIds } from "../../../db/migrate.js";
import {
  expectProblem,
  sharedTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { getPermissions } from "#test/support/fixtures/permissions.js";

describe("permissions of a key", () => {
  let app: TestApp;
  let owner: TestPerson;
  let one: Organization;
  let other: Organization;
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("owner");
    one = await makeOrganization(owner);
    other = await makeOrganization(owner);
  });

  const keyOf = async (
    scopes: string[],
    { person = owner, expires_at = null as string | null } = {},
  ) => {
    const { data } = await person.api.apiKeys.create({ body: { name: "k", scopes, expires_at } });
    return { id: data.id, api: app.client(data.key as string) };
  };
  const at = (org: Organization) => ({ params: { org_id: org.id } });

  test("a key of one organization sees only that organization", async () => {
    const { api } = await keyOf([`org:${one.slug}:*`]);
    expect((await api.organizations.get(at(one))).data.id).toBe(one.id);
    await expectProblem(api.organizations.get(at(other)), 404, "not_found");
    expect((await api.organizations.list()).data.map(({ id }) => id)).toEqual([one.id]);
    const project = await makeProject(owner, other.id);
    const params = { project_id: project.id };
    await expectProblem(api.projects.get({ params }), 404, "not_found");
    const body = { project_id: project.id, name: "a" };
    await expectProblem(api.agents.create({ body }), 422, "validation_failed");
    expect((await api.projects.list()).data).toEqual([]);
  });

  test("a key with full access has its owner's permissions", async () => {
    const { api } = await keyOf(["*:*"]);
    const listed = (await api.organizations.list()).data.map(({ id }) => id);
    expect(listed).toEqual(expect.arrayContaining([one.id, other.id]));
    expect((await api.organizations.create({ body: { name: "By key" } })).status).toBe(201);
  });

  test("each request outside the scopes is 403 naming the missing permission", async () => {
    const { api } = await keyOf([`org:${one.slug}:project:read`]);
    const problem = await expectProblem(
      api.organizations.get(at(one)),
      403,
      "insufficient_permission",
    );
    expect(problem.missing_permissions).toEqual(["org:read"]);
    expect((await api.organizations.list()).data).toEqual([]);
    const body = { organization_id: one.id, name: "p" };
    const write = await expectProblem(
      api.projects.create({ body }),
      403,
      "insufficient_permission",
    );
    expect(write.missing_permissions).toEqual(["project:write"]);
    expect((await api.projects.list()).status).toBe(200);
    const query = { organization_id: one.id };
    await expectProblem(api.agents.list({ query }), 403, "insufficient_permission");
  });

  test("scopes grant no more than the owner's current role", async () => {
    const person = await app.person("member");
    const add = { user_id: person.id, role_id: systemRoleIds.admin };
    const { data: member } = await owner.api.members.add({ ...at(one), body: add });
    const { api } = await keyOf([`org:${one.slug}:*`], { person });
    const rename = () => api.organizations.update({ ...at(one), body: { description: "x" } });
    expect((await rename()).status).toBe(200);
    const memberParams = { org_id: one.id, member_id: member.id };
    const body = { role_id: systemRoleIds.viewer };
    await owner.api.members.update({ params: memberParams, body });
    const problem = await expectProblem(rename(), 403, "insufficient_permission");
    expect(problem.missing_permissions).toEqual(["org:write"]);
    const data = await getPermissions(api, one.id);
    expect(data.role).toBe("viewer");
    expect(data.effective_permissions).not.toContain("org:write");
    await owner.api.members.remove({ params: memberParams });
    await expectProblem(api.organizations.get(at(one)), 404, "not_found");
    expect((await api.auth.me()).data.id).toBe(person.id);
  });

  test("the wildcard org in a scope excludes owner-only permissions", async () => {
    const { api } = await keyOf([`org:${one.slug}:org:*`]);
    const data = await getPermissions(api, one.id);
    expect(data.effective_permissions).toContain("org:members:delete");
    expect(data.effective_permissions).not.toContain("org:archive");
    expect(data.effective_permissions).not.toContain("org:transfer");
    expect(data.effective_permissions).not.toContain("project:read");
    const whole = await keyOf([`org:${one.slug}:*`]);
    const all = await getPermissions(whole.api, one.id);
    expect(all.effective_permissions).toContain("org:archive");
  });

  test("a key creates keys within its scopes only", async () => {
    const { api } = await keyOf([`org:${one.slug}:project:*`, `org:${one.slug}:agent:read`]);
    const make = (scopes: string[]) => api.apiKeys.create({ body: { name: "child", scopes } });
    for (const pattern of ["project:*", "project:read", "project:git:*", "agent:read"]) {
      expect((await make([`org:${one.slug}:${pattern}`])).status).toBe(201);
    }
    for (const scopes of [
      ["*:*"],
      [`org:${one.slug}:*`],
      [`org:${one.slug}:*:*`],
      [`org:${one.slug}:agent:*`],
      [`org:${one.slug}:org:read`],
      [`org:${one.slug}:project:read`, `org:${one.slug}:agent:run`],
      [`org:${other.slug}:project:read`],
      ["org:no-such-organization:project:read"],
    ]) {
      await expectProblem(make(scopes), 403, "privilege_escalation");
    }
    await expectProblem(api.apiKeys.create({ body: { name: "all" } }), 403, "privilege_escalation");
    const body = { name: "all of it", organization_id: one.id };
    await expectProblem(api.apiKeys.create({ body }), 403, "privilege_escalation");
  });

  test("a key creates no key that outlives it", async () => {
    const ends = "2150-01-01T00:00:00.000Z";
    const { api } = await keyOf(["*:*"], { expires_at: ends });
    const make = (expires_at: string | null) =>
      api.apiKeys.create({ body: { name: "child", expires_at } });
    expect((await make("2149-12-31T23:59:59.999Z")).status).toBe(201);
    expect((await make(ends)).status).toBe(201);
    await expectProblem(make(null), 403, "privilege_escalation");
    await expectProblem(make("2150-01-01T00:00:00.001Z"), 403, "privilege_escalation");
    expect((await make("2150-01-01T01:00:00+01:00")).status).toBe(201);
    await expectProblem(make("2150-01-01T00:00:00-00:01"), 403, "privilege_escalation");
  });

  test("a key lists and revokes only keys within its scopes", async () => {
    const wide = await keyOf(["*:*"]);
    const narrow = await keyOf([`org:${one.slug}:project:read`]);
    const { api, id } = await keyOf([`org:${one.slug}:project:*`]);
    const params = { key_id: wide.id };
    await expectProblem(api.apiKeys.get({ params }), 404, "not_found");
    await expectProblem(api.apiKeys.update({ params, body: { name: "x" } }), 404, "not_found");
    await expectProblem(api.apiKeys.revoke({ params }), 404, "not_found");
    const listed = (await api.apiKeys.list()).data.map((key) => key.id);
    expect(listed).toEqual(expect.arrayContaining([id, narrow.id]));
    expect(listed).not.toContain(wide.id);
    expect((await api.apiKeys.revoke({ params: { key_id: narrow.id } })).status).toBe(204);
    expect((await wide.api.auth.me()).status).toBe(200);
  });

  test("account endpoints require full access; a key has no session to end", async () => {
    const { api } = await keyOf([`org:${one.slug}:*`]);
    expect((await api.auth.me()).data.id).toBe(owner.id);
    const body = { full_name: "Mallory" };
    for (const call of [
      () => api.auth.updateMe({ body }),
      () => api.auth.sessions(),
      () => api.organizations.create({ body: { name: "Mine" } }),
    ]) {
      const problem = await expectProblem(call(), 403, "insufficient_permission");
      expect(problem.missing_permissions).toEqual(["*:*"]);
    }
    const full = await keyOf(["*:*"]);
    await expectProblem(full.api.auth.logout(), 400, "bad_request");
  });
});
