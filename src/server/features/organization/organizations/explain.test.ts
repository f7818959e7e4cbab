import { beforeAll, describe, expect, test } from "vitest";
import type { Client } from "#shared/contract/client.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import { grants, permissionNames, systemRoles, type SystemRole } from "#shared/permissions.js";
import { systemRoleIds } from "../../../db/migrate.js";
import {
  expectProblem,
  sharedTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { makeAgent, makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { explainPermission, getPermissions } from "#test/support/fixtures/permissions.js";
import { fieldsOf } from "#test/support/http/raw-request.js";

describe("explaining a permission", () => {
  let app: TestApp;
  let owner: TestPerson;
  let org: Organization;
  let agentId: string;
  let projectId: string;
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("owner");
    org = await makeOrganization(owner);
    projectId = (await makeProject(owner, org.id)).id;
    agentId = (await makeAgent(owner, projectId)).id;
  });

  const join = async (role_id: string): Promise<TestPerson> => {
    const person = await app.person("person");
    const body = { user_id: person.id, role_id };
    await owner.api.members.add({ params: { org_id: org.id }, body });
    return person;
  };
  const makeRole = async (name: string, permissions: string[], inherits_from: string | null) =>
    (
      await owner.api.roles.create({
        params: { org_id: org.id },
        body: { name, permissions, inherits_from },
      })
    ).data;
  const keyOf = async (person: TestPerson, ...patterns: string[]): Promise<Client> => {
    const scopes = patterns.map((pattern) => `org:${org.slug}:${pattern}`);
    const { data } = await person.api.apiKeys.create({ body: { name: "k", scopes } });
    return app.client(data.key as string);
  };

  /** Requests that require exactly one permission and change nothing. */
  const calls: Partial<
    Record<(typeof permissionNames)[number], (api: Client) => Promise<unknown>>
  > = {
    "org:read": (api) => api.organizations.get({ params: { org_id: org.id } }),
    "org:write": (api) =>
      api.organizations.update({ params: { org_id: org.id }, body: { description: null } }),
    "org:limits:write": (api) =>
      api.organizations.update({ params: { org_id: org.id }, body: { max_concurrent_agents: 5 } }),
    "org:billing:write": (api) =>
      api.organizations.update({ params: { org_id: org.id }, body: { billing_email: null } }),
    "org:members:read": (api) => api.members.list({ params: { org_id: org.id } }),
    "org:audit:read": (api) => api.audit.list({ params: { org_id: org.id } }),
    "org:webhooks:read": (api) => api.webhooks.list({ params: { org_id: org.id } }),
    "org:service-accounts:read": (api) => api.serviceAccounts.list({ params: { org_id: org.id } }),
    "org:secrets:read": (api) => api.organizationSecrets.list({ params: { org_id: org.id } }),
    "org:archive": (api) => api.organizations.restore({ params: { org_id: org.id } }),
    "project:read": (api) => api.projects.get({ params: { project_id: projectId } }),
    "project:write": (api) =>
      api.projects.update({ params: { project_id: projectId }, body: { description: null } }),
    "agent:read": (api) => api.agents.get({ params: { agent_id: agentId } }),
    "agent:write": (api) =>
      api.agents.update({ params: { agent_id: agentId }, body: { description: null } }),
  };

  /** Expects the explanation to match whether requests are rejected. */
  async function expectEnforced(api: Client): Promise<void> {
    for (const [permission, call] of Object.entries(calls)) {
      const name = permission as keyof typeof calls;
      const { allowed, because, refused_by } = await explainPermission(api, org.id, name);
      const outcome = await call(api).then(
        () => "done",
        (error: { problem: { code: string; missing_permissions: string[] } }) =>
          `${error.problem.code} ${error.problem.missing_permissions.join()}`,
      );
      expect([name, outcome]).toEqual([name, allowed ? "done" : `insufficient_permission ${name}`]);
      expect(because.length > 0).toBe(allowed);
      expect(refused_by === null).toBe(allowed);
    }
  }

  test.each(["owner", "admin", "member", "viewer"] as const)(
    "explanations for an %s match the enforcement",
    async (role: SystemRole) => {
      const { api } = role === "owner" ? owner : await join(systemRoleIds[role]);
      const { effective_permissions } = await getPermissions(api, org.id);
      for (const permission of permissionNames) {
        const patterns: readonly string[] = systemRoles[role].permissions;
        const explanation = await explainPermission(api, org.id, permission);
        const because = patterns
          .filter((pattern) => grants([pattern], permission))
          .toSorted()
          .map((pattern) => ({ role, via: role, pattern }));
        const allowed = because.length > 0;
        expect(explanation).toEqual({ allowed, because, refused_by: allowed ? null : "role" });
        expect(effective_permissions.includes(permission)).toBe(allowed);
      }
      await expectEnforced(api);
    },
  );

  test("names each role of three levels that contains the pattern, nearest first", async () => {
    const top = await makeRole("top", ["project:read", "agent:*"], "viewer");
    const middle = await makeRole("middle", ["project:*"], top.name);
    const bottom = await makeRole("bottom", ["project:read", "org:write"], middle.id);
    const { api } = await join(bottom.id);
    const of = (via: string, pattern: string) => ({ role: "bottom", via, pattern });
    const because = async (check: (typeof permissionNames)[number]) =>
      (await explainPermission(api, org.id, check)).because;
    expect(await because("project:read")).toEqual([
      of("bottom", "project:read"),
      of("middle", "project:*"),
      of("top", "project:read"),
      of("viewer", "project:read"),
    ]);
    expect(await because("project:delete")).toEqual([of("middle", "project:*")]);
    expect(await because("agent:run")).toEqual([of("top", "agent:*")]);
    expect(await because("org:members:read")).toEqual([of("viewer", "org:members:read")]);
    expect(await because("org:billing:write")).toEqual([]);
    await expectEnforced(api);

    const held = await getPermissions(api, org.id);
    expect(held.permissions.filter((pattern) => pattern === "project:read")).toHaveLength(1);
    const params = { org_id: org.id, role_id: top.id };
    await owner.api.roles.update({ params, body: { inherits_from: null, permissions: [] } });
    expect(await because("org:read").catch(() => "refused")).toBe("refused");
    await owner.api.roles.update({ params, body: { permissions: ["org:read"] } });
    expect(await because("agent:run")).toEqual([]);
    await expectEnforced(api);
  });

  test("distinguishes whether the role or the key denies", async () => {
    const viewer = await join(systemRoleIds.viewer);
    const member = await join(systemRoleIds.member);
    const narrow = await keyOf(member, "org:read", "project:read");
    expect(await explainPermission(narrow, org.id, "project:write")).toEqual({
      allowed: false,
      because: [],
      refused_by: "credential",
    });
    expect(await explainPermission(narrow, org.id, "org:write")).toEqual({
      allowed: false,
      because: [],
      refused_by: "role",
    });
    expect(await explainPermission(narrow, org.id, "project:read")).toEqual({
      allowed: true,
      because: [{ role: "member", via: "member", pattern: "project:read" }],
      refused_by: null,
    });
    await expectEnforced(narrow);
    // The role is named when both deny: a wider key would not help.
    const wide = await keyOf(viewer, "org:*");
    expect((await explainPermission(wide, org.id, "project:write")).refused_by).toBe("role");
    await expectEnforced(wide);
  });

  test("the wildcard org explains no owner-only permission", async () => {
    const admin = await join(systemRoleIds.admin);
    for (const check of ["org:archive", "org:transfer"] as const) {
      expect((await explainPermission(admin.api, org.id, check)).because).toEqual([]);
      expect((await explainPermission(owner.api, org.id, check)).because).toEqual([
        { role: "owner", via: "owner", pattern: "*:*" },
      ]);
    }
    const key = await keyOf(owner, "org:*");
    expect((await explainPermission(key, org.id, "org:archive")).refused_by).toBe("credential");
    await expectEnforced(key);
  });

  test.each(["org:nothing", "org:*", "*:*", "", "ORG:READ"])(
    "%j is not a permission",
    async (check) => {
      const call = explainPermission(owner.api, org.id, check as "org:read");
      const problem = await expectProblem(call, 422, "validation_failed");
      expect(fieldsOf(problem)).toEqual(["query.check"]);
    },
  );
});
