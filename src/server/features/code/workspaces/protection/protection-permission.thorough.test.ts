// Thorough: further callers.
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Client } from "#shared/contract/client.js";
import { systemRoleIds } from "#server/db/migrate.js";
import {
  expectProblem,
  sharedTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { makeOrganization, makeProjectWith } from "#test/support/fixtures/factories.js";
import { makeServiceAccount } from "#test/support/fixtures/service-accounts.js";

/** The callers that may change the rules of merges. */
describe("project:protection:write", () => {
  let app: TestApp;
  let owner: TestPerson;
  let org: Organization;
  let project: Project;
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("Ada");
    org = await makeOrganization(owner);
  });
  beforeEach(async () => {
    project = await makeProjectWith(owner, org.id, { "a.txt": "1\n" });
    await owner.api.mergeQueue.setCheck({ params: checkParams("test"), body: check });
    await owner.api.mergeQueue.setCheck({ params: checkParams("unused"), body: check });
    await protect(owner.api, [{ pattern: "main", checks: ["test"] }]);
  });

  const check = { command: ["true"] };
  const params = () => ({ project_id: project.id });
  const checkParams = (name: string) => ({ ...params(), name });
  const protect = (api: Client, protected_branches: object[]) =>
    api.projects.update({
      params: params(),
      body: { protected_branches: protected_branches as [] },
    });
  const join = async (role_id: string) => {
    const person = await app.person("colleague");
    await owner.api.members.add({
      params: { org_id: org.id },
      body: { user_id: person.id, role_id },
    });
    return person;
  };
  let roles = 0;
  const roleOf = async (permissions: string[]) => {
    roles += 1;
    const body = { name: `role-${roles}`, permissions: ["project:read", ...permissions] };
    return (await owner.api.roles.create({ params: { org_id: org.id }, body })).data.id;
  };
  /** Every call by which a caller would change what decides about merges. */
  const changesBy = (api: Client) => ({
    "empty the rules": () => protect(api, []),
    "add a rule": () =>
      protect(api, [
        { pattern: "main", checks: ["test"] },
        { pattern: "x", checks: ["test"] },
      ]),
    "replace a check": () =>
      api.mergeQueue.setCheck({ params: checkParams("test"), body: { command: ["false"] } }),
    "create a check": () => api.mergeQueue.setCheck({ params: checkParams("new"), body: check }),
    "delete a check": () => api.mergeQueue.deleteCheck({ params: checkParams("unused") }),
    "set merge drivers": () =>
      api.projects.update({
        params: params(),
        body: { merge_drivers: [{ pattern: "a.txt", driver: "union" }] },
      }),
  });
  const expectRefused = async (api: Client, missing = "project:protection:write") => {
    for (const [title, change] of Object.entries(changesBy(api))) {
      const problem = await expectProblem(change(), 403, "insufficient_permission");
      expect([title, problem["missing_permissions"]]).toEqual([title, [missing]]);
    }
    const { data } = await owner.api.projects.get({ params: params() });
    expect(data.protected_branches).toMatchObject([{ pattern: "main", checks: ["test"] }]);
  };
  const expectAllowed = async (api: Client) => {
    for (const change of Object.values(changesBy(api))) await change();
  };

  test("is limited by a key's scopes", async () => {
    const keyOf = async (scope: string) => {
      const body = { name: "k", scopes: [`org:${org.slug}:${scope}`] };
      return app.client((await owner.api.apiKeys.create({ body })).data.key as string);
    };
    await expectRefused(await keyOf("project:write"));
    await expectAllowed(await keyOf("project:*"));
  });

  test("is granted by those alone who hold it", async () => {
    const grant = (api: Client, permission: string, name = `r-${(roles += 1)}`) =>
      api.roles.create({
        params: { org_id: org.id },
        body: { name, permissions: [permission] },
      });
    const keeper = await join(await roleOf(["org:roles:*", "org:read", "project:write"]));
    await grant(keeper.api, "project:write");
    for (const permission of ["project:protection:write", "project:*"]) {
      await expectProblem(grant(keeper.api, permission), 403, "privilege_escalation");
    }
    const admin = await join(systemRoleIds.admin);
    await grant(admin.api, "project:protection:write");
    const robot = await makeServiceAccount(app, owner, org.id, { role: "admin" });
    await expectProblem(grant(robot.api, "project:protection:write"), 403, "privilege_escalation");
    const another = await app.person("another");
    const add = robot.api.members.add({
      params: { org_id: org.id },
      body: { user_id: another.id, role_id: systemRoleIds.admin },
    });
    await expectProblem(add, 403, "privilege_escalation");
  });
});
