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
import {
  commitFiles,
  makeAgent,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
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

  test("is not the member's, who cannot merge alone by emptying the rules", async () => {
    const member = await join(systemRoleIds.member);
    await expectRefused(member.api);
    const { workspace } = await makeWorkspace(member, project.id);
    await commitFiles(member, workspace, { "a.txt": "2\n" });
    const merge = () =>
      member.api.workspaces.createMerge({ params: { agent_id: workspace.agent_id }, body: {} });
    await expectProblem(merge(), 409, "branch_protected");
    await member.api.projects.update({ params: params(), body: { name: "renamed" } });
  });

  test("is the owner's, the admin's, and that of custom roles", async () => {
    await expectAllowed(owner.api);
    await protect(owner.api, [{ pattern: "main", checks: ["test"] }]);
    await owner.api.mergeQueue.setCheck({ params: checkParams("unused"), body: check });
    await expectAllowed((await join(systemRoleIds.admin)).api);
    await owner.api.mergeQueue.setCheck({ params: checkParams("unused"), body: check });
    await expectAllowed((await join(await roleOf(["project:*"]))).api);
    await owner.api.mergeQueue.setCheck({ params: checkParams("unused"), body: check });
    const both = await roleOf(["project:write", "project:protection:write"]);
    await expectAllowed((await join(both)).api);
  });

  test("is withheld from service accounts and agents, whatever their role", async () => {
    const powerful = await roleOf(["project:*", "org:read"]);
    for (const role of ["admin", "custom"] as const) {
      const robot = await makeServiceAccount(app, owner, org.id, {
        scopes: [`org:${org.slug}:*`],
      });
      await owner.api.serviceAccounts.update({
        params: { org_id: org.id, service_account_id: robot.account.id },
        body: { role_id: role === "admin" ? systemRoleIds.admin : powerful },
      });
      await expectRefused(robot.api);
      const { data } = await robot.api.projects.update({
        params: params(),
        body: { description: "by a robot" },
      });
      expect(data.description).toBe("by a robot");
    }
    const agent = await makeAgent(owner, project.id);
    const { data: members } = await owner.api.members.list({ params: { org_id: org.id } });
    await owner.api.members.update({
      params: {
        org_id: org.id,
        member_id: members.find(({ agent_id }) => agent_id === agent.id)?.id as string,
      },
      body: { role_id: powerful },
    });
    const { data: key } = await owner.api.apiKeys.create({
      body: { name: "of an agent", agent_id: agent.id },
    });
    await expectRefused(app.client(key.key as string));
    const { data: held } = await app
      .client(key.key as string)
      .organizations.permissions({ params: { org_id: org.id } });
    expect(held).toMatchObject({
      effective_permissions: [
        "org:read",
        "project:read",
        "project:write",
        "project:delete",
        "project:task:read",
        "project:task:write",
        "project:automation:read",
        "project:git:read",
        "project:git:write",
      ],
    });
  });

  test("does not come with project:write, and does not replace it", async () => {
    await protect(owner.api, [{ pattern: "main", checks: ["test"] }]);
    await expectRefused((await join(await roleOf(["project:write"]))).api);
    const alone = await join(await roleOf(["project:protection:write"]));
    await expectRefused(alone.api, "project:write");
  });
});
