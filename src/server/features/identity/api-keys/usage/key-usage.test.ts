import { beforeAll, describe, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import { systemRoleIds } from "../../../../db/migrate.js";
import {
  expectProblem,
  sharedTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { fieldsOf, send } from "#test/support/http/raw-request.js";

describe("usage of a key", () => {
  let app: TestApp;
  let owner: TestPerson;
  let org: Organization;
  let project: Project;
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("owner");
    org = await makeOrganization(owner);
    project = await makeProject(owner, org.id);
  });

  type Body = Parameters<typeof owner.api.apiKeys.create>[0]["body"];
  const make = async (body: Partial<Body> = {}) => {
    const { data } = await owner.api.apiKeys.create({ body: { name: "k", ...body } });
    const key = data.key as string;
    return { id: data.id, key, api: app.client(key), params: { key_id: data.id } };
  };
  const usage = async (key: { params: { key_id: string } }, days?: number) =>
    (
      await owner.api.apiKeys.usage({
        params: key.params,
        query: days === undefined ? {} : { days },
      })
    ).data;
  const at = { org_id: "" };
  beforeAll(() => {
    at.org_id = org.id;
  });

  test("counts requests by day, endpoint and status, errors included", async () => {
    const key = await make({ scopes: [`org:${org.slug}:project:read`] });
    for (let turn = 0; turn < 3; turn += 1) await key.api.projects.list();
    await expectProblem(key.api.organizations.get({ params: at }), 403, "insufficient_permission");
    await send(app, "GET", `/api/v1/projects/${org.id}`, { token: key.key });
    await send(app, "GET", "/api/v1/projects?limit=x", { token: key.key });
    const today = new Date().toISOString().slice(0, 10);
    const { requests, since } = await usage(key, 1);
    expect(since).toBe(today);
    expect(requests).toEqual([
      { day: today, endpoint: "GET /api/v1/organizations/{org_id}", status: 403, count: 1 },
      { day: today, endpoint: "GET /api/v1/projects", status: 200, count: 3 },
      { day: today, endpoint: "GET /api/v1/projects", status: 422, count: 1 },
      { day: today, endpoint: "GET /api/v1/projects/{project_id}", status: 404, count: 1 },
    ]);
  });

  test("covers the requested number of days, at most 90", async () => {
    const key = await make();
    await queryAsOwner(
      app,
      `insert into api_key_requests select $1, current_date - days, 'GET /x', 200, 7
       from unnest(array[0, 1, 29, 30, 89, 90]) days`,
      [key.id],
    );
    const counted = async (days?: number) => (await usage(key, days)).requests.length;
    expect([await counted(1), await counted(), await counted(90)]).toEqual([1, 3, 5]);
    for (const days of ["0", "91", "x", "1.5"]) {
      const path = `/api/v1/auth/api-keys/${key.id}/usage?days=${days}`;
      const answer = await send(app, "GET", path, { token: owner.token });
      expect([answer.status, fieldsOf(JSON.parse(answer.text))]).toEqual([422, ["query.days"]]);
    }
  });

  test("suggests the smallest scope that allows all recorded uses", async () => {
    const person = await app.person("to-be-added");
    const key = await make({ organization_id: org.id });
    const { api } = key;
    const everything = async (): Promise<void> => {
      await api.organizations.list();
      await api.projects.get({ params: { project_id: project.id } });
      await api.projects.list({ query: { organization_id: org.id } });
      await api.organizations.update({ params: at, body: { description: "by key" } });
      // Assigning a role uses the permissions the role contains.
      const body = { user_id: person.id, role_id: systemRoleIds.viewer };
      const { data: added } = await api.members.add({ params: at, body });
      await api.members.remove({ params: { ...at, member_id: added.id } });
    };
    await everything();
    const { suggested_scopes: fewer, permissions } = await usage(key);
    expect(permissions).toContainEqual({
      organization_id: org.id,
      organization_slug: org.slug,
      permission: "org:write",
      uses: 1,
    });
    const scope = (permission: string) => `org:${org.slug}:${permission}`;
    expect(fewer).toEqual(
      [
        "agent:read",
        "agent:workspace:read",
        "org:members:delete",
        "org:members:read",
        "org:members:write",
        "org:read",
        "org:write",
        "project:automation:read",
        "project:git:read",
        "project:read",
        "project:task:read",
      ].map(scope),
    );
    const scopes = fewer as string[];
    const narrowed = await owner.api.apiKeys.narrow({ params: key.params, body: { scopes } });
    expect(narrowed.data.scopes.toSorted()).toEqual(scopes);
    await everything();
    const create = api.projects.create({ body: { organization_id: org.id, name: "beyond" } });
    await expectProblem(create, 403, "insufficient_permission");
    expect((await usage(key)).suggested_scopes).toBeNull();
  });

  test("suggests the organizations in which a full-access key was used", async () => {
    const person = await app.person("of-two");
    const one = await makeOrganization(person);
    const other = await makeOrganization(person);
    const { data } = await person.api.apiKeys.create({ body: { name: "k" } });
    const params = { key_id: data.id };
    const api = app.client(data.key as string);
    const everything = async () => {
      const { data: listed } = await api.organizations.list();
      await api.organizations.get({ params: { org_id: one.id } });
      return listed.map(({ id }) => id);
    };
    expect(await everything()).toEqual([one.id, other.id]);
    const before = (await person.api.apiKeys.usage({ params })).data.suggested_scopes;
    expect(before?.toSorted()).toEqual(
      [`org:${one.slug}:org:read`, `org:${other.slug}:org:read`].toSorted(),
    );
    await person.api.apiKeys.narrow({ params, body: { scopes: before as string[] } });
    expect(await everything()).toEqual([one.id, other.id]);
    // A use that requires full access leaves nothing to suggest.
    const { data: whole } = await person.api.apiKeys.create({ body: { name: "whole" } });
    await app.client(whole.key as string).auth.sessions();
    const { data: used } = await person.api.apiKeys.usage({ params: { key_id: whole.id } });
    expect(used.suggested_scopes).toBeNull();
  });

  test("ignores uses older than 30 days and keys that were never used", async () => {
    const key = await make({ organization_id: org.id });
    expect((await usage(key)).suggested_scopes).toBeNull();
    await key.api.projects.list();
    await usage(key);
    await queryAsOwner(
      app,
      "update api_key_permission_uses set day = current_date - 30 where key_id = $1",
      [key.id],
    );
    expect(await usage(key)).toMatchObject({ permissions: [], suggested_scopes: null });
  });

  test("reducing scopes never widens them", async () => {
    const key = await make({ scopes: [`org:${org.slug}:project:*`] });
    const narrow = (scopes: string[], api = owner.api) =>
      api.apiKeys.narrow({ params: key.params, body: { scopes } });
    for (const scopes of [["*:*"], [`org:${org.slug}:*`], [`org:${org.slug}:org:read`]]) {
      await expectProblem(narrow(scopes), 403, "privilege_escalation");
    }
    for (const [scopes, field] of [
      [[], "body.scopes"],
      [["everything"], "body.scopes.0"],
      [["org:no-such-one:*"], "body.scopes.0"],
      [[`org:${org.slug}:project:fly`], "body.scopes.0"],
    ] as const) {
      const problem = await expectProblem(narrow([...scopes]), 422, "validation_failed");
      expect(fieldsOf(problem)).toEqual([field]);
    }
    const { data } = await narrow([`org:${org.slug}:project:read`]);
    expect(data).toMatchObject({ scopes: [`org:${org.slug}:project:read`] });
    await expectProblem(narrow([`org:${org.slug}:project:*`]), 403, "privilege_escalation");
    const stranger = await app.person("stranger");
    await expectProblem(narrow(["*:*"], stranger.api), 404, "not_found");
    await owner.api.apiKeys.revoke({ params: key.params });
    await expectProblem(narrow([`org:${org.slug}:project:read`]), 409, "key_not_active");
  });

  test("marks active keys unused for 90 days", async () => {
    const old = await make();
    const used = await make();
    const revoked = await make();
    const age = "update api_keys set created_at = now() - interval '91 days' where id = $1";
    for (const { id } of [old, used, revoked]) await queryAsOwner(app, age, [id]);
    await used.api.auth.me();
    await usage(used);
    await owner.api.apiKeys.revoke({ params: revoked.params });
    const { data } = await owner.api.apiKeys.list();
    const isStale = (id: string) => data.find((key) => key.id === id)?.is_stale;
    expect([old, used, revoked, await make()].map(({ id }) => isStale(id))).toEqual([
      true,
      false,
      false,
      undefined,
    ]);
  });
});
