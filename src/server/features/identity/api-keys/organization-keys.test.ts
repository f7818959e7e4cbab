import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import { systemRoleIds } from "../../../db/migrate.js";
import {
  expectProblem,
  sharedTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { makeAgent, makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { nextCursor } from "#test/support/http/next-cursor.js";

describe("keys that can act in an organization", () => {
  let app: TestApp;
  let sibling: TestApp;
  let owner: TestPerson;
  let admin: TestPerson;
  let member: TestPerson;
  let org: Organization;
  let other: Organization;
  beforeAll(async () => {
    app = await sharedTestApp();
    sibling = await app.sibling();
    owner = await app.person("owner");
    org = await makeOrganization(owner);
    other = await makeOrganization(owner);
    admin = await join("admin");
    member = await join("member");
  });
  afterAll(() => sibling.close());

  const join = async (role: "admin" | "member", at = org) => {
    const person = await app.person(role);
    const body = { user_id: person.id, role_id: systemRoleIds[role] };
    await owner.api.members.add({ params: { org_id: at.id }, body });
    return person;
  };
  type Body = Parameters<typeof owner.api.apiKeys.create>[0]["body"];
  const make = async (person: TestPerson, body: Partial<Body> = {}) => {
    const { data } = await person.api.apiKeys.create({ body: { name: "k", ...body } });
    return { id: data.id, hint: data.key_hint, api: app.client(data.key as string), data };
  };
  const params = () => ({ org_id: org.id });
  const list = async (by = admin) =>
    (await by.api.apiKeys.listOfOrganization({ params: params() })).data;
  const take = (keyId: string, by = admin) =>
    by.api.apiKeys.shutOut({ params: { ...params(), key_id: keyId } });

  test("are those scoped to it, of users and agents, without keys of full access", async () => {
    const agent = await makeAgent(owner, (await makeProject(owner, org.id)).id);
    const scoped = await make(member, { organization_id: org.id });
    const full = await make(member, { description: "mine", allowed_ips: ["127.0.0.1"] });
    const both = await make(owner, {
      scopes: [`org:${org.slug}:project:read`, `org:${other.slug}:*`],
    });
    const ofAgent = await make(owner, { agent_id: agent.id });
    await make(owner, { organization_id: other.id });
    await make(await app.person("stranger"));
    const revoked = await make(member, { organization_id: org.id });
    await member.api.apiKeys.revoke({ params: { key_id: revoked.id } });
    const seen = await list();
    expect(seen.map(({ id }) => id)).toEqual([ofAgent.id, both.id, scoped.id]);
    expect(JSON.stringify(seen)).not.toContain(full.hint);
    const by = (id: string) => seen.find((key) => key.id === id);
    expect(by(scoped.id)).toMatchObject({
      owner: { id: member.id, email: member.email },
      scopes: [`org:${org.slug}:*`],
      is_only_here: true,
    });
    expect(by(ofAgent.id)).toMatchObject({ agent_id: agent.id, agent_name: agent.name });
    // Other organizations' scopes are not shown.
    expect(by(both.id)).toMatchObject({
      scopes: [`org:${org.slug}:project:read`],
      is_only_here: false,
    });
    expect(JSON.stringify(seen)).not.toContain(other.slug);
  });

  test("are listed in pages", async () => {
    const all = (await list()).map(({ id }) => id);
    const seen: string[] = [];
    for (let cursor: string | undefined = ""; cursor !== undefined;) {
      const query = { limit: 2, ...(cursor === "" ? {} : { cursor }) };
      const answer = await admin.api.apiKeys.listOfOrganization({ params: params(), query });
      seen.push(...answer.data.map(({ id }) => id));
      cursor = nextCursor(answer.headers);
    }
    expect(seen).toEqual(all);
    expect(all.length).toBeGreaterThan(2);
  });

  test("are revoked when scoped to the organization only", async () => {
    const { id, api, data } = await make(member, { organization_id: org.id });
    await sibling.client(data.key as string).auth.me();
    expect((await take(id)).status).toBe(204);
    await expectProblem(sibling.client(data.key as string).auth.me(), 401, "invalid_token");
    await expectProblem(api.auth.me(), 401, "invalid_token");
    const { data: own } = await member.api.apiKeys.get({ params: { key_id: id } });
    expect(own.status).toBe("revoked");
    await expectProblem(take(id), 404, "not_found");
  });

  test("are otherwise blocked in it and keep working elsewhere", async () => {
    const { id, api, data } = await make(owner);
    const elsewhere = sibling.client(data.key as string);
    expect((await elsewhere.organizations.list()).data.length).toBeGreaterThan(1);
    expect((await take(id)).status).toBe(204);
    for (const client of [api, elsewhere]) {
      await expectProblem(client.organizations.get({ params: params() }), 404, "not_found");
      const { data: listed } = await client.organizations.list();
      expect(listed.map((item) => item.id)).toEqual([other.id]);
      const query = { organization_id: org.id };
      await expectProblem(client.projects.list({ query }), 422, "validation_failed");
      expect((await client.organizations.get({ params: { org_id: other.id } })).status).toBe(200);
    }
    expect((await list()).map((key) => key.id)).not.toContain(id);
    const { data: own } = await owner.api.apiKeys.get({ params: { key_id: id } });
    expect(own).toMatchObject({ status: "active", shut_out_of: [org.slug] });
    await expectProblem(take(id), 404, "not_found");
    const { data: events } = await admin.api.audit.list({
      params: params(),
      query: { target_id: id },
    });
    expect(events[0]).toMatchObject({
      action: "api_key.shut_out",
      actor: { id: admin.id },
      target: { id, name: "full access" },
    });
  });

  test("cannot return after blocking, neither by creating keys nor by rotation", async () => {
    const { id, api } = await make(owner);
    await take(id);
    const body = { name: "child", organization_id: org.id };
    await expectProblem(api.apiKeys.create({ body }), 403, "privilege_escalation");
    const { data: child } = await api.apiKeys.create({ body: { name: "child" } });
    const { data: rotated } = await owner.api.apiKeys.rotate({ params: { key_id: id } });
    for (const { key } of [child, rotated]) {
      const client = app.client(key as string);
      await expectProblem(client.organizations.get({ params: params() }), 404, "not_found");
      expect((await client.organizations.get({ params: { org_id: other.id } })).status).toBe(200);
    }
  });

  test("stay out when blocking and revoking run concurrently", async () => {
    for (let round = 0; round < 5; round += 1) {
      const { id, api } = await make(owner);
      const outcomes = await Promise.allSettled([
        take(id),
        take(id, owner),
        sibling.client(admin.token).apiKeys.shutOut({ params: { ...params(), key_id: id } }),
      ]);
      expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      await expectProblem(api.organizations.get({ params: params() }), 404, "not_found");
    }
  });

  test("require permissions; a missing key is 404", async () => {
    const { id } = await make(owner, { organization_id: org.id });
    const listing = await expectProblem(list(member), 403, "insufficient_permission");
    expect(listing.missing_permissions).toEqual(["org:apikeys:read"]);
    const taking = await expectProblem(take(id, member), 403, "insufficient_permission");
    expect(taking.missing_permissions).toEqual(["org:apikeys:revoke"]);
    await expectProblem(take(randomUUID()), 404, "not_found");
    const foreign = await make(await app.person("stranger"));
    await expectProblem(take(foreign.id), 404, "not_found");
    const onlyElsewhere = await make(owner, { organization_id: other.id });
    await expectProblem(take(onlyElsewhere.id), 404, "not_found");
  });
});
