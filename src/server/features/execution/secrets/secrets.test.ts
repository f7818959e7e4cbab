import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Client } from "#shared/contract/client.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import { systemRoleIds } from "../../../db/migrate.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { makeAgent, makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { copySecret } from "#test/support/database/copy-secret.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { getPermissions } from "#test/support/fixtures/permissions.js";
import { fieldsOf, problemOf, send } from "#test/support/http/raw-request.js";

let app: TestApp;
let owner: TestPerson;
let org: Organization;
let project: Project;
beforeAll(async () => {
  app = await startTestApp();
  owner = await app.person("Ada");
});
const makeOwners = async () => {
  org = await makeOrganization(owner);
  project = await makeProject(owner, org.id);
};
afterAll(() => app.close());

const kind = "variable" as const;
interface Options {
  api?: Client;
  headers?: Record<string, string>;
}
const ofOrganization = {
  set: (name: string, value: string, { api = owner.api, headers = {} }: Options = {}) =>
    api.organizationSecrets.set(
      { params: { org_id: org.id, name }, body: { value, kind } },
      { headers },
    ),
  get: (name: string, { api = owner.api }: Options = {}) =>
    api.organizationSecrets.get({ params: { org_id: org.id, name } }),
  list: ({ api = owner.api }: Options = {}) =>
    api.organizationSecrets.list({ params: { org_id: org.id } }),
  remove: (name: string, { api = owner.api, headers = {} }: Options = {}) =>
    api.organizationSecrets.delete({ params: { org_id: org.id, name } }, { headers }),
};
const ofProject = {
  set: (name: string, value: string, { api = owner.api, headers = {} }: Options = {}) =>
    api.projectSecrets.set(
      { params: { project_id: project.id, name }, body: { value, kind } },
      { headers },
    ),
  get: (name: string, { api = owner.api }: Options = {}) =>
    api.projectSecrets.get({ params: { project_id: project.id, name } }),
  list: ({ api = owner.api }: Options = {}) =>
    api.projectSecrets.list({ params: { project_id: project.id } }),
  remove: (name: string, { api = owner.api, headers = {} }: Options = {}) =>
    api.projectSecrets.delete({ params: { project_id: project.id, name } }, { headers }),
};

const owners = [
  ["an organization", ofOrganization],
  ["a project", ofProject],
] as const;

describe.each(owners)("secrets of %s", (_owner, calls) => {
  beforeEach(makeOwners);

  test("are set, listed by name, replaced and deleted, and never show their value", async () => {
    const value = "value-which-nobody-reads";
    const { data: first, status } = await calls.set("NPM_TOKEN", value);
    expect(status).toBe(200);
    expect(first).toEqual({
      name: "NPM_TOKEN",
      kind,
      provider: null,
      base_url: null,
      created_at: first.updated_at,
      updated_at: first.created_at,
      set_by: { id: owner.id, name: "Ada" },
    });
    await calls.set("A", "short");
    expect((await calls.list()).data.map(({ name }) => name)).toEqual(["A", "NPM_TOKEN"]);
    const { data: second } = await calls.set("NPM_TOKEN", `${value}-2`);
    expect(second.created_at).toBe(first.created_at);
    expect(second.updated_at > first.updated_at).toBe(true);
    expect((await calls.get("NPM_TOKEN")).data).toEqual(second);

    const stored = await queryAsOwner<{ sealed: Buffer }>(
      app,
      "select sealed from secrets where org_id = $1",
      [org.id],
    );
    expect(stored.some(({ sealed }) => sealed.includes("value-which"))).toBe(false);
    const { data: events } = await owner.api.audit.list({ params: { org_id: org.id } });
    expect(JSON.stringify(events)).not.toContain("value-which");

    expect((await calls.remove("NPM_TOKEN")).status).toBe(204);
    await expectProblem(calls.get("NPM_TOKEN"), 404, "not_found");
    await expectProblem(calls.remove("NPM_TOKEN"), 404, "not_found");
    expect((await calls.list()).data.map(({ name }) => name)).toEqual(["A"]);
  });

  test("are audited by name", async () => {
    await calls.set("TOKEN", "one value");
    await calls.set("TOKEN", "another value");
    await calls.remove("TOKEN");
    const { data } = await owner.api.audit.list({ params: { org_id: org.id } });
    const target =
      calls === ofProject
        ? { type: "project", id: project.id, name: project.name }
        : { type: "organization", id: org.id, name: org.name };
    expect(
      data.slice(0, 3).map(({ action, target, changes }) => [action, target, changes]),
    ).toEqual([
      ["secret.deleted", target, { secret: { from: "TOKEN", to: null } }],
      ["secret.set", target, { secret: { from: "TOKEN", to: "TOKEN" } }],
      ["secret.set", target, { secret: { from: null, to: "TOKEN" } }],
    ]);
  });

  test("have values of 1 byte to 64 KiB of UTF-8 without NUL", async () => {
    await calls.set("ONE", "x");
    await calls.set("LONG", "x".repeat(64 * 1024));
    await calls.set("LONG", "\u00e4".repeat(32 * 1024));
    for (const value of ["", "x".repeat(64 * 1024 + 1), `${"\u00e4".repeat(32 * 1024)}x`, "a\0b"]) {
      const problem = await expectProblem(calls.set("LONG", value), 422, "validation_failed");
      expect(fieldsOf(problem)).toEqual(["body.value"]);
    }
    const path =
      calls === ofProject
        ? `/api/v1/projects/${project.id}/secrets/LONG`
        : `/api/v1/organizations/${org.id}/secrets/LONG`;
    const answers = [
      [{ value: 1, kind }, "body.value"],
      [{ kind }, "body.value"],
      [{ value: "\ud800", kind }, "body.value"],
      [{ value: "value" }, "body.kind"],
      [{ value: "value", kind: "file" }, "body.kind"],
    ] as const;
    for (const [body, field] of answers) {
      const answer = await send(app, "PUT", path, { token: owner.token, body });
      expect(answer.status).toBe(422);
      expect(fieldsOf(problemOf(answer))).toEqual([field]);
    }
  });

  test("are at most 100, together at most 96 KiB", async () => {
    await calls.set("SECRET_1", "x");
    await copySecret(app, org.id, 100);
    await expectProblem(calls.set("ONE_MORE", "x"), 409, "too_many_secrets");
    await calls.set("SECRET_1", "y");
    await calls.remove("SECRET_2");
    await calls.set("ONE_MORE", "x".repeat(64 * 1024));
    const left = 32 * 1024 - 99;
    const problem = await expectProblem(
      calls.set("SECRET_3", "x".repeat(left + 2)),
      409,
      "too_many_secrets",
    );
    expect(problem.detail).toContain("at most 96 KiB together");
    await calls.set("SECRET_3", "x".repeat(left + 1));
    await calls.set("ONE_MORE", "x");
  });

  test("are changed and deleted only as seen, with If-Match", async () => {
    await calls.set("TOKEN", "first");
    const { headers } = await calls.get("TOKEN");
    const seen = { headers: { "if-match": headers.get("etag") ?? "" } };
    await calls.set("TOKEN", "second", seen);
    await expectProblem(calls.set("TOKEN", "third", seen), 412, "stale");
    await expectProblem(calls.remove("TOKEN", seen), 412, "stale");
    const { headers: now } = await calls.get("TOKEN");
    await calls.remove("TOKEN", { headers: { "if-match": now.get("etag") ?? "" } });
  });

  test("are for owners and admins", async () => {
    await calls.set("TOKEN", "value");
    for (const role of ["admin", "member", "viewer"] as const) {
      const person = await app.person(role);
      const body = { user_id: person.id, role_id: systemRoleIds[role] };
      await owner.api.members.add({ params: { org_id: org.id }, body });
      const { api } = person;
      if (role === "admin") {
        expect((await calls.list({ api })).data).toHaveLength(1);
        await calls.set("TOKEN", "another", { api });
        continue;
      }
      for (const [work, permission] of [
        [() => calls.list({ api }), "org:secrets:read"],
        [() => calls.get("TOKEN", { api }), "org:secrets:read"],
        [() => calls.set("TOKEN", "mine", { api }), "org:secrets:write"],
        [() => calls.remove("TOKEN", { api }), "org:secrets:write"],
      ] as const) {
        const problem = await expectProblem(work(), 403, "insufficient_permission");
        expect(problem.missing_permissions).toEqual([permission]);
      }
    }
  });

  test("are never for agents, whatever the role of the agent and its creator", async () => {
    await calls.set("TOKEN", "value");
    const agent = await makeAgent(owner, project.id);
    const params = { org_id: org.id };
    const { data: members } = await owner.api.members.list({ params });
    const member = members.find(({ agent_id }) => agent_id === agent.id);
    const { data: role } = await owner.api.roles.create({
      params,
      body: { name: "secrets", permissions: ["org:secrets:*", "org:secrets:write"] },
    });
    const { data: run } = await owner.api.runs.create({
      params: { agent_id: agent.id },
      body: { external: true },
    });
    const { data: key } = await owner.api.apiKeys.create({
      body: { name: "k", agent_id: agent.id },
    });
    const api = app.client(key.key as string);
    for (const role_id of [systemRoleIds.owner, systemRoleIds.admin, role.id]) {
      await queryAsOwner(app, "update memberships set role_id = $1 where id = $2", [
        role_id,
        member?.id,
      ]);
      for (const work of [
        () => calls.list({ api }),
        () => calls.get("TOKEN", { api }),
        () => calls.set("TOKEN", "mine", { api }),
        () => calls.remove("TOKEN", { api }),
      ]) {
        const problem = await expectProblem(work(), 403, "insufficient_permission");
        expect(problem.detail).toContain("use a key of a person or a service account");
      }
      if (role_id === role.id) continue;
      const held = await getPermissions(api, org.id);
      expect(held.effective_permissions).toContain("org:members:write");
      expect(held.effective_permissions.filter((name) => name.includes("secrets"))).toEqual([]);
      // Nor may it give a person what it lacks.
      const invited = api.invitations.create({
        params,
        body: { email: "accomplice@example.com", role_id: systemRoleIds.admin },
      });
      await expectProblem(invited, 403, "privilege_escalation");
    }
    await owner.api.runs.stop({ params: { run_id: run.id } });
  });
});

describe.each(owners)("names of secrets of %s", (_owner, calls) => {
  beforeAll(makeOwners);

  test.each([
    "lower",
    "1ST",
    "WITH-HYPHEN",
    "WITH SPACE",
    "N\u00c4ME",
    "A".repeat(65),
    "OMOI_TOKEN",
    "PATH",
    "HOME",
    "USER",
    "TMPDIR",
    "LD_PRELOAD",
    "NODE_OPTIONS",
    "NODE_USE_ENV_PROXY",
    "GIT_SSH_COMMAND",
    "HTTPS_PROXY",
    "https_proxy",
    "No_Proxy",
  ])("%j is rejected as a name", async (name) => {
    const problem = await expectProblem(calls.set(name, "value"), 422, "validation_failed");
    expect(problem.errors?.[0]).toMatchObject({ loc: ["path", "name"] });
    expect(problem.detail).toMatch(/^The name must /);
    await expectProblem(calls.get(name), 404, "not_found");
    await expectProblem(calls.remove(name), 404, "not_found");
  });

  test.each(["_", "A".repeat(64), "PATHS", "MY_OMOI_1", "GITHUB_TOKEN", "LDAP_URL", "HOMEPAGE"])(
    "%j is accepted as a name",
    async (name) => {
      expect((await calls.set(name, "value")).data.name).toBe(name);
    },
  );
});

describe("secrets", () => {
  beforeEach(makeOwners);

  test("a project's deletion deletes its secrets only", async () => {
    await ofOrganization.set("OF_ALL", "value");
    await ofProject.set("OF_ONE", "value");
    await owner.api.projects.delete({ params: { project_id: project.id } });
    const left = await queryAsOwner(app, "select name from secrets where org_id = $1", [org.id]);
    expect(left).toEqual([{ name: "OF_ALL" }]);
    await expectProblem(ofProject.list(), 404, "not_found");
    await expectProblem(ofProject.set("OF_ONE", "value"), 404, "not_found");
  });

  test("secrets of one name do not meet", async () => {
    const other = await makeProject(owner, org.id);
    await ofOrganization.set("TOKEN", "value");
    await ofProject.set("TOKEN", "value");
    await ofOrganization.remove("TOKEN");
    expect((await ofProject.list()).data).toHaveLength(1);
    const params = { project_id: other.id };
    expect((await owner.api.projectSecrets.list({ params })).data).toEqual([]);
    await expectProblem(
      owner.api.projectSecrets.delete({ params: { ...params, name: "TOKEN" } }),
      404,
      "not_found",
    );
  });

  test("an archived organization keeps its secrets unchanged", async () => {
    await ofOrganization.set("TOKEN", "value");
    await owner.api.organizations.archive({ params: { org_id: org.id } });
    expect((await ofOrganization.list()).data).toHaveLength(1);
    await expectProblem(ofOrganization.set("TOKEN", "new"), 409, "organization_archived");
    await expectProblem(ofOrganization.remove("TOKEN"), 409, "organization_archived");
  });

  test("a secret that a deleted user has set stays, without the name of the person", async () => {
    const person = await app.person("Grace");
    const body = { user_id: person.id, role_id: systemRoleIds.admin };
    await owner.api.members.add({ params: { org_id: org.id }, body });
    await ofProject.set("TOKEN", "value", { api: person.api });
    expect((await ofProject.get("TOKEN")).data.set_by).toEqual({ id: person.id, name: "Grace" });
    await owner.api.admin.delete({ params: { user_id: person.id } });
    const { data } = await ofProject.get("TOKEN");
    expect(data.set_by).toEqual({ id: person.id, name: "Deleted user" });
  });
});
