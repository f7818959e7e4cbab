import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import { systemRoleIds } from "../../../../db/migrate.js";
import { sharedTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { makeOrganization } from "#test/support/fixtures/factories.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { fieldsOf, send } from "#test/support/http/raw-request.js";
import { generateKey } from "#shared/node/key-text.js";

describe("verifying a key for another service", () => {
  let app: TestApp;
  let owner: TestPerson;
  let org: Organization;
  let other: Organization;
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("owner");
    org = await makeOrganization(owner);
    other = await makeOrganization(owner);
  });

  type Body = Parameters<typeof owner.api.apiKeys.create>[0]["body"];
  const make = async (body: Partial<Body> = {}, by = owner) => {
    const { data } = await by.api.apiKeys.create({ body: { name: "k", ...body } });
    return { id: data.id, key: data.key as string, params: { key_id: data.id } };
  };
  type Question = Parameters<typeof owner.api.apiKeys.verify>[0]["body"];
  const verify = async (body: Question, by = owner) => (await by.api.apiKeys.verify({ body })).data;
  const memberAs = async (role: "admin" | "member", at = org) => {
    const person = await app.person(role);
    const body = { user_id: person.id, role_id: systemRoleIds[role] };
    const { data } = await owner.api.members.add({ params: { org_id: at.id }, body });
    return { person, memberId: data.id };
  };

  test("returns its permissions to its owner", async () => {
    const { id, key } = await make({ scopes: [`org:${org.slug}:project:*`] });
    expect(await verify({ key })).toEqual({
      valid: true,
      code: "valid",
      key_id: id,
      user_id: owner.id,
      agent_id: null,
      permissions: [
        "project:read",
        "project:write",
        "project:delete",
        "project:protection:write",
        "project:task:read",
        "project:task:write",
        "project:automation:read",
        "project:automation:write",
        "project:approve",
        "project:git:read",
        "project:git:write",
      ],
    });
    const asked = { key, organization_id: org.id };
    expect(await verify({ ...asked, permission: "project:git:read" })).toMatchObject({
      valid: true,
    });
    for (const question of [
      { ...asked, permission: "org:read" },
      { key, permission: "agent:run" },
      { key, permission: "project:read", organization_id: other.id },
      { key, organization_id: randomUUID() },
    ]) {
      expect(await verify(question)).toMatchObject({
        valid: false,
        code: "insufficient_permission",
        key_id: id,
      });
    }
  });

  test("without an organization, a key with full access has the permissions it has in each", async () => {
    const person = await app.person("two-roles");
    for (const [at, role] of [
      [org, "viewer"],
      [other, "admin"],
    ] as const) {
      const body = { user_id: person.id, role_id: systemRoleIds[role] };
      await owner.api.members.add({ params: { org_id: at.id }, body });
    }
    const { key } = await make({}, person);
    const { permissions } = await verify({ key }, person);
    expect(permissions).toContain("org:read");
    expect(permissions).not.toContain("org:write");
    const inOther = { key, permission: "org:write", organization_id: other.id };
    expect((await verify(inOther, person)).valid).toBe(true);
    const inOrg = { ...inOther, organization_id: org.id };
    expect((await verify(inOrg, person)).code).toBe("insufficient_permission");
  });

  test("uses the permissions of the owner's current role", async () => {
    const { person, memberId } = await memberAs("member");
    const { key } = await make({ organization_id: org.id }, person);
    const question = { key, permission: "project:write" };
    expect((await verify(question, person)).valid).toBe(true);
    const params = { org_id: org.id, member_id: memberId };
    await owner.api.members.update({ params, body: { role_id: systemRoleIds.viewer } });
    expect((await verify(question, person)).code).toBe("insufficient_permission");
    await owner.api.members.remove({ params });
    expect(await verify({ key }, person)).toMatchObject({ valid: true, permissions: [] });
  });

  test("reports why a key is inactive", async () => {
    const revoked = await make();
    await owner.api.apiKeys.revoke({ params: revoked.params });
    expect(await verify({ key: revoked.key })).toMatchObject({ valid: false, code: "revoked" });
    const expired = await make({ expires_in_days: 1 });
    await queryAsOwner(app, "update api_keys set expires_at = now() where id = $1", [expired.id]);
    expect(await verify({ key: expired.key })).toMatchObject({ valid: false, code: "expired" });
    const archived = await makeOrganization(owner);
    const scoped = await make({ organization_id: archived.id });
    await owner.api.organizations.archive({ params: { org_id: archived.id } });
    expect(await verify({ key: scoped.key })).toMatchObject({ valid: false, code: "revoked" });
  });

  test("checks the network against the given or the requesting address", async () => {
    const { key } = await make({ allowed_ips: ["10.0.0.0/8", "2001:db8::/32"] });
    expect((await verify({ key })).code).toBe("ip_not_allowed");
    expect((await verify({ key, ip: "192.0.2.1" })).code).toBe("ip_not_allowed");
    for (const ip of ["10.1.2.3", "2001:db8::1", "::ffff:10.0.0.1"]) {
      expect((await verify({ key, ip })).code).toBe("valid");
    }
  });

  test("valid results count against the limit and as a use", async () => {
    const { key, params } = await make({ rate_limit_per_minute: 2 });
    const codes = new Set<string>();
    for (let turn = 0; turn < 6; turn += 1) codes.add((await verify({ key })).code);
    expect([...codes]).toEqual(["valid", "rate_limited"]);
    await owner.api.apiKeys.usage({ params });
    const { data } = await owner.api.apiKeys.get({ params });
    expect(data.last_used_ip).toBe("127.0.0.1");
  });

  test("callers who neither own it nor may see keys where it acts get no details", async () => {
    const { id, key } = await make({ organization_id: org.id });
    const { person: admin } = await memberAs("admin");
    const { person: member } = await memberAs("member");
    const { person: elsewhere } = await memberAs("admin", other);
    expect(await verify({ key }, admin)).toMatchObject({ valid: true, key_id: id });
    const none = await verify({ key: generateKey("sk_live_") });
    expect(none).toEqual({
      valid: false,
      code: "not_found",
      key_id: null,
      user_id: null,
      agent_id: null,
      permissions: [],
    });
    for (const person of [member, elsewhere, await app.person("stranger")]) {
      expect(await verify({ key }, person)).toEqual(none);
    }
    for (const wrong of [key.slice(0, -1), `${key}x`, key.replace("sk_live_", "sk_test_"), "x"]) {
      expect(await verify({ key: wrong })).toEqual(none);
    }
    // An admin sees a full-access key's permissions in the admin's own organization only.
    const full = await make();
    expect((await verify({ key: full.key }, admin)).valid).toBe(true);
    const beyond = { key: full.key, organization_id: other.id };
    expect((await verify(beyond, admin)).code).toBe("insufficient_permission");
  });

  test("invalid input is 422 naming the field", async () => {
    const { key } = await make();
    for (const [body, field] of [
      [{}, "body.key"],
      [{ key: "" }, "body.key"],
      [{ key: 1 }, "body.key"],
      [{ key, permission: "project:fly" }, "body.permission"],
      [{ key, permission: "project:*" }, "body.permission"],
      [{ key, organization_id: "acme" }, "body.organization_id"],
      [{ key, ip: "localhost" }, "body.ip"],
      [{ key, more: 1 }, "body.more"],
    ] as const) {
      const answer = await send(app, "POST", "/api/v1/auth/api-keys/verify", {
        token: owner.token,
        body,
      });
      expect([answer.status, fieldsOf(JSON.parse(answer.text))]).toEqual([422, [field]]);
    }
  });
});
