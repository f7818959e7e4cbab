import { beforeAll, describe, expect, test } from "vitest";
import { permissions, systemRoles } from "#shared/permissions.js";
import {
  expectProblem,
  sharedTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { makeOrganization } from "#test/support/fixtures/factories.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { fieldsOf } from "#test/support/http/raw-request.js";
import { systemRoleIds } from "../../../db/migrate.js";

describe("roles", () => {
  let app: TestApp;
  let owner: TestPerson;
  let orgId: string;
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("owner");
    orgId = (await makeOrganization(owner)).id;
    await makeOrganization(owner);
  });

  test("the five system roles exist in every organization, with its member counts", async () => {
    const { data } = await owner.api.roles.list({ params: { org_id: orgId } });
    expect(data.map(({ name }) => name)).toEqual(Object.keys(systemRoles));
    for (const role of data) {
      const known = systemRoles[role.name as keyof typeof systemRoles];
      expect(role).toEqual({
        id: systemRoleIds[role.name as keyof typeof systemRoles],
        organization_id: null,
        name: role.name,
        description: known.description,
        permissions: known.permissions,
        is_system: true,
        inherits_from: null,
        effective_permissions: expect.arrayContaining([...known.permissions]) as string[],
        member_count: role.name === "owner" ? 1 : 0,
        created_at: expect.any(String) as string,
      });
    }
  });

  test("the organization's own follow, or come alone on request", async () => {
    const other = await makeOrganization(await app.person("stranger"));
    const insert = (org: string, name: string) =>
      queryAsOwner(
        app,
        `insert into roles (id, org_id, name, permissions, inherits_from)
         values (gen_random_uuid(), $1, $2, '{project:write}', $3)`,
        [org, name, systemRoleIds.viewer],
      );
    await insert(orgId, "developer");
    await insert(other.id, "theirs");
    const params = { org_id: orgId };
    const { data: all } = await owner.api.roles.list({ params });
    expect(all.map(({ name }) => name)).toEqual([...Object.keys(systemRoles), "developer"]);
    const { data: own } = await owner.api.roles.list({
      params,
      query: { include_system: "false" },
    });
    expect(own).toMatchObject([
      { name: "developer", organization_id: orgId, is_system: false, inherits_from: "viewer" },
    ]);
    expect([...(own[0]?.effective_permissions ?? [])].sort()).toEqual(
      [...systemRoles.viewer.permissions, "project:write"].sort(),
    );
    const call = owner.api.roles.list({ params, query: { include_system: "maybe" as "true" } });
    const problem = await expectProblem(call, 422, "validation_failed");
    expect(fieldsOf(problem)).toEqual(["query.include_system"]);
  });

  test("a role with cyclic inheritance can be read", async () => {
    const ids = [crypto.randomUUID(), crypto.randomUUID()] as const;
    for (const [index, id] of ids.entries()) {
      await queryAsOwner(
        app,
        "insert into roles (id, org_id, name, permissions) values ($1, $2, $3, $4)",
        [id, orgId, `circle-${index}`, [index === 0 ? "project:read" : "agent:read"]],
      );
    }
    const inherit = "update roles set inherits_from = $1 where id = $2";
    await queryAsOwner(app, inherit, [ids[1], ids[0]]);
    await queryAsOwner(app, inherit, [ids[0], ids[1]]);
    const person = await app.person("circle");
    const params = { org_id: orgId };
    const body = { user_id: person.id, role_id: ids[0] };
    await owner.api.members.add({ params, body });
    expect((await person.api.projects.list()).status).toBe(200);
    await expectProblem(person.api.roles.list({ params }), 403, "insufficient_permission");
    const { data } = await owner.api.roles.list({ params, query: { include_system: "false" } });
    const circle = data.find(({ id }) => id === ids[0]);
    expect([...(circle?.effective_permissions ?? [])].sort()).toEqual([
      "agent:read",
      "project:read",
    ]);
  });

  test("the registry describes every permission", async () => {
    const { data } = await owner.api.roles.permissions();
    expect(Object.fromEntries(data.map(({ name, description }) => [name, description]))).toEqual(
      permissions,
    );
  });
});
