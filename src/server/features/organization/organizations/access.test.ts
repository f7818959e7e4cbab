import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import { systemRoles, type SystemRole } from "#shared/permissions.js";
import { systemRoleIds } from "../../../db/migrate.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { makeOrganization } from "#test/support/fixtures/factories.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { getPermissions } from "#test/support/fixtures/permissions.js";
import { fieldsOf, send, withoutRequestId } from "#test/support/http/raw-request.js";

describe("access to an organization", () => {
  let app: TestApp;
  let owner: TestPerson;
  let org: Organization;
  const people = {} as Record<SystemRole, TestPerson>;
  beforeAll(async () => {
    app = await startTestApp({ OMOI_MAX_CONCURRENT_AGENTS: "50", OMOI_MAX_RUNTIME_HOURS: "500" });
    owner = await app.person("owner");
    org = await makeOrganization(owner);
    for (const role of Object.keys(systemRoles) as SystemRole[]) {
      people[role] = await app.person(role);
      const body = { user_id: people[role].id, role_id: systemRoleIds[role] };
      await owner.api.members.add({ params: { org_id: org.id }, body });
    }
  });
  afterAll(() => app.close());

  test("a stranger gets the answer of a missing organization", async () => {
    const stranger = await app.person("stranger");
    const at = (path: string) => send(app, "GET", path, { token: stranger.token });
    for (const rest of ["", "/usage", "/permissions", "/members", "/roles"]) {
      const there = await at(`/api/v1/organizations/${org.id}${rest}`);
      const nothing = await at(`/api/v1/organizations/${randomUUID()}${rest}`);
      expect([there.status, withoutRequestId(there)]).toEqual([404, withoutRequestId(nothing)]);
    }
  });

  test.each(["viewer", "member"] as const)(
    "a %s reads but cannot change anything",
    async (role) => {
      const { api } = people[role];
      const params = { org_id: org.id };
      expect((await api.organizations.get({ params })).data.id).toBe(org.id);
      for (const [body, permission] of [
        [{ name: "x" }, "org:write"],
        [{ slug: "xxx" }, "org:write"],
        [{ description: null }, "org:write"],
        [{ settings: {} }, "org:write"],
        [{ billing_email: "x@example.com" }, "org:billing:write"],
        [{ max_concurrent_agents: 1 }, "org:limits:write"],
        [{ max_agent_runtime_hours: 1 }, "org:limits:write"],
      ] as const) {
        const call = api.organizations.update({ params, body });
        const problem = await expectProblem(call, 403, "insufficient_permission");
        expect(problem.missing_permissions).toEqual([permission]);
      }
      expect((await owner.api.organizations.get({ params })).data).toEqual(org);
    },
  );

  test("an agent's role cannot read the organization", async () => {
    const { api } = people.agent_executor;
    const params = { org_id: org.id };
    for (const call of [
      () => api.organizations.get({ params }),
      () => api.usage.get({ params }),
      () => api.organizations.permissions({ params }),
      () => api.roles.list({ params }),
    ]) {
      const problem = await expectProblem(call(), 403, "insufficient_permission");
      expect(problem.missing_permissions).toEqual(["org:read"]);
    }
    expect((await api.organizations.list()).data).toEqual([]);
  });

  test.each(["owner", "admin"] as const)("an %s can change everything", async (role) => {
    const { api } = people[role];
    const params = { org_id: org.id };
    const body = {
      name: `By ${role}`,
      billing_email: null,
      max_concurrent_agents: 9,
      settings: {},
    };
    expect((await api.organizations.update({ params, body })).data).toMatchObject(body);
  });

  test("all fields change or none", async () => {
    const params = { org_id: org.id };
    const before = (await owner.api.organizations.get({ params })).data;
    const body = { name: "Half", max_concurrent_agents: 51 };
    await expectProblem(owner.api.organizations.update({ params, body }), 422, "validation_failed");
    expect((await owner.api.organizations.get({ params })).data).toEqual(before);
  });

  test.each(["owner", "admin", "member", "viewer"] as const)(
    "permissions lists an %s's own",
    async (role) => {
      const data = await getPermissions(people[role].api, org.id);
      expect(data.role).toBe(role);
      expect(data.permissions).toEqual([...systemRoles[role].permissions].sort());
      expect(data.effective_permissions.includes("org:archive")).toBe(role === "owner");
      expect(data.effective_permissions.includes("org:write")).toBe(
        ["owner", "admin"].includes(role),
      );
    },
  );

  test("limits have bounds and the installation's ceilings", async () => {
    const params = { org_id: org.id };
    for (const [body, field] of [
      [{ max_concurrent_agents: 0 }, "max_concurrent_agents"],
      [{ max_concurrent_agents: 1.5 }, "max_concurrent_agents"],
      [{ max_concurrent_agents: 51 }, "max_concurrent_agents"],
      [{ max_concurrent_agents: 10_001 }, "max_concurrent_agents"],
      [{ max_concurrent_agents: "5" }, "max_concurrent_agents"],
      [{ max_agent_runtime_hours: -0.1 }, "max_agent_runtime_hours"],
      [{ max_agent_runtime_hours: 500.1 }, "max_agent_runtime_hours"],
      [{ max_agent_runtime_hours: 1_000_001 }, "max_agent_runtime_hours"],
    ] as [object, string][]) {
      const update = owner.api.organizations.update({ params, body });
      expect(fieldsOf(await expectProblem(update, 422, "validation_failed"))).toEqual([
        `body.${field}`,
      ]);
      const create = owner.api.organizations.create({ body: { name: "x", ...body } });
      expect(fieldsOf(await expectProblem(create, 422, "validation_failed"))).toEqual([
        `body.${field}`,
      ]);
    }
    for (const body of [
      { max_concurrent_agents: 50, max_agent_runtime_hours: 500 },
      { max_concurrent_agents: 1, max_agent_runtime_hours: 0 },
    ]) {
      expect((await owner.api.organizations.update({ params, body })).data).toMatchObject(body);
    }
  });

  test("defaults respect low ceilings", async () => {
    const low = await startTestApp({
      OMOI_MAX_CONCURRENT_AGENTS: "2",
      OMOI_MAX_RUNTIME_HOURS: "3",
    });
    const made = await makeOrganization(await low.person());
    expect(made).toMatchObject({ max_concurrent_agents: 2, max_agent_runtime_hours: 3 });
    await low.close();
  });

  test("an archived organization is read-only and listed on request only", async () => {
    const archived = await makeOrganization(owner);
    const { data: project } = await owner.api.projects.create({
      body: { organization_id: archived.id, name: "p" },
    });
    await queryAsOwner(app, "update organizations set archived_at = now() where id = $1", [
      archived.id,
    ]);
    const params = { org_id: archived.id };
    const { data } = await owner.api.organizations.get({ params });
    expect(data.is_active).toBe(false);
    const { data: members } = await owner.api.members.list({ params });
    const member = { ...params, member_id: members[0]?.id as string };
    const role = { role_id: systemRoleIds.viewer };
    for (const call of [
      () => owner.api.organizations.update({ params, body: { name: "x" } }),
      () => owner.api.members.add({ params, body: { ...role, user_id: people.viewer.id } }),
      () => owner.api.members.update({ params: member, body: role }),
      () => owner.api.members.remove({ params: member }),
      () => owner.api.projects.create({ body: { organization_id: archived.id, name: "q" } }),
      () => owner.api.projects.update({ params: { project_id: project.id }, body: { name: "q" } }),
      () => owner.api.agents.create({ body: { project_id: project.id, name: "a" } }),
    ]) {
      await expectProblem(call(), 409, "organization_archived");
    }
    const ids = async (include_archived?: "true" | "false") => {
      const query = include_archived === undefined ? {} : { include_archived };
      return (await owner.api.organizations.list({ query })).data.map(({ id }) => id);
    };
    expect(await ids()).not.toContain(archived.id);
    expect(await ids("false")).not.toContain(archived.id);
    expect(await ids("true")).toContain(archived.id);
  });
});
