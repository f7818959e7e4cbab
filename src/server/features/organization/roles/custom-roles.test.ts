import { beforeAll, describe, expect, test } from "vitest";
import {
  expectProblem,
  sharedTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { makeOrganization } from "#test/support/fixtures/factories.js";
import { systemRoleIds } from "../../../db/migrate.js";

describe("custom roles", () => {
  let app: TestApp;
  let owner: TestPerson;
  let admin: TestPerson;
  let viewer: TestPerson;
  let params: { org_id: string };
  beforeAll(async () => {
    app = await sharedTestApp();
    [owner, admin, viewer] = [
      await app.person("owner"),
      await app.person("admin"),
      await app.person("viewer"),
    ];
    params = { org_id: (await makeOrganization(owner)).id };
    for (const [person, role] of [
      [admin, "admin"],
      [viewer, "viewer"],
    ] as const) {
      await owner.api.members.add({
        params,
        body: { user_id: person.id, role_id: systemRoleIds[role] },
      });
    }
  });

  const create = (name: string, permissions: string[], inherits_from?: string, as = owner) =>
    as.api.roles.create({
      params,
      body: { name, permissions, ...(inherits_from === undefined ? {} : { inherits_from }) },
    });

  test("a role is readable by the organization's readers, and its ETag guards changes", async () => {
    const { data: role } = await create("guarded", ["org:read"]);
    const roleParams = { ...params, role_id: role.id };
    const { data, headers } = await viewer.api.roles.get({ params: roleParams });
    expect(data).toEqual(role);
    const seen = { headers: { "if-match": headers.get("etag") ?? "" } };
    await owner.api.roles.update({ params: roleParams, body: { description: "First" } }, seen);
    await expectProblem(
      owner.api.roles.update({ params: roleParams, body: { description: "Second" } }, seen),
      412,
      "stale",
    );
    const none = { ...params, role_id: params.org_id };
    await expectProblem(owner.api.roles.get({ params: none }), 404, "not_found");
  });

  test("the documented example inherits by role name", async () => {
    const { status, data } = await owner.api.roles.create({
      params,
      body: {
        name: "developer",
        description: "Can manage projects and agents",
        permissions: ["project:read", "project:write", "agent:read"],
        inherits_from: "viewer",
      },
    });
    expect(status).toBe(201);
    expect(data).toMatchObject({
      organization_id: params.org_id,
      name: "developer",
      is_system: false,
      inherits_from: "viewer",
      permissions: ["project:read", "project:write", "agent:read"],
      member_count: 0,
    });
    expect(data.effective_permissions).toEqual(
      expect.arrayContaining(["project:write", "agent:workspace:read", "org:read"]),
    );
  });

  test("a role's change applies to its holders immediately", async () => {
    const { data: role } = await create("grower", ["org:read"]);
    const person = await app.person("grower");
    await owner.api.members.add({ params, body: { user_id: person.id, role_id: role.id } });
    const rename = () => person.api.organizations.update({ params, body: { name: "Renamed" } });
    await expectProblem(rename(), 403, "insufficient_permission");
    const change = (permissions: string[]) =>
      owner.api.roles.update({
        params: { ...params, role_id: role.id },
        body: { permissions },
      });
    await change(["org:read", "org:write"]);
    expect((await rename()).status).toBe(200);
    await change(["org:read"]);
    await expectProblem(rename(), 403, "insufficient_permission");
  });

  test("unknown permissions, roles and foreign ids are 422", async () => {
    await expectProblem(create("bad", ["org:nothing"]), 422, "validation_failed");
    await expectProblem(create("bad", ["org:*:read"]), 422, "validation_failed");
    await expectProblem(create("bad", [], "nobody"), 422, "validation_failed");
    const other = await makeOrganization(owner);
    const { data: foreign } = await owner.api.roles.create({
      params: { org_id: other.id },
      body: { name: "foreign", permissions: [] },
    });
    await expectProblem(create("bad", [], foreign.id), 422, "validation_failed");
    await expectProblem(
      owner.api.roles.create({
        params,
        body: { name: "bad", permissions: [], organization_id: other.id },
      }),
      422,
      "validation_failed",
    );
    await expectProblem(
      owner.api.roles.remove({ params: { ...params, role_id: foreign.id } }),
      404,
      "not_found",
    );
  });

  test("names are unique, including the system roles'", async () => {
    await create("unique", []);
    await expectProblem(create("unique", []), 409, "role_name_taken");
    await expectProblem(create("admin", []), 409, "role_name_taken");
  });

  test("a cycle is rejected, also one that two concurrent changes would create", async () => {
    const { data: one } = await create("one", []);
    const { data: two } = await create("two", []);
    const inherit = (roleId: string, from: string) =>
      owner.api.roles.update({
        params: { ...params, role_id: roleId },
        body: { inherits_from: from },
      });
    await expectProblem(inherit(one.id, "one"), 422, "validation_failed");
    const outcomes = await Promise.allSettled([inherit(one.id, "two"), inherit(two.id, "one")]);
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
  });

  test("a role beyond the caller's permissions cannot be created, changed or deleted", async () => {
    await expectProblem(create("boss", ["*:*"], undefined, admin), 403, "privilege_escalation");
    await expectProblem(create("boss", [], "owner", admin), 403, "privilege_escalation");
    const { data: boss } = await create("boss", ["*:*"]);
    const bossParams = { ...params, role_id: boss.id };
    await expectProblem(
      admin.api.roles.update({ params: bossParams, body: { permissions: [] } }),
      403,
      "privilege_escalation",
    );
    await expectProblem(
      admin.api.roles.remove({ params: bossParams }),
      403,
      "privilege_escalation",
    );
    await expectProblem(create("any", [], undefined, viewer), 403, "insufficient_permission");
  });

  test("system roles cannot be changed", async () => {
    const role = { ...params, role_id: systemRoleIds.viewer };
    await expectProblem(owner.api.roles.remove({ params: role }), 400, "system_role");
    await expectProblem(
      owner.api.roles.update({ params: role, body: { permissions: [] } }),
      400,
      "system_role",
    );
  });

  test("a role with members or heirs cannot be deleted, and they are named", async () => {
    const { data: held } = await create("held", ["org:read"]);
    const person = await app.person("holder");
    const { data: member } = await owner.api.members.add({
      params,
      body: { user_id: person.id, role_id: held.id },
    });
    const { data: heir } = await create("heir", [], "held");
    const heldParams = { ...params, role_id: held.id };
    const problem = await expectProblem(
      owner.api.roles.remove({ params: heldParams }),
      409,
      "role_in_use",
    );
    expect(problem).toMatchObject({ members: ["holder"], heirs: ["heir"] });
    await owner.api.members.remove({ params: { ...params, member_id: member.id } });
    await owner.api.roles.remove({ params: { ...params, role_id: heir.id } });
    expect((await owner.api.roles.remove({ params: heldParams })).status).toBe(204);
  });
});
