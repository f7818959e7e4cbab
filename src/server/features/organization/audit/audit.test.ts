import { createHash } from "node:crypto";
import { sql } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AuditEvent } from "#shared/api/organization/audit.js";
import { nextCursor } from "#test/support/http/next-cursor.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { makeAgent, makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { systemRoleIds } from "../../../db/migrate.js";

let app: TestApp;
let owner: TestPerson;
beforeAll(async () => {
  app = await startTestApp();
  owner = await app.person("owner");
});
afterAll(() => app.close());

const eventsOf = async (person: TestPerson, orgId: string, query = {}): Promise<AuditEvent[]> =>
  (await person.api.audit.list({ params: { org_id: orgId }, query })).data;

describe("the audit log", () => {
  test("records every change with its author and origin", async () => {
    const { id, slug } = await makeOrganization(owner);
    const org = { org_id: id };
    const member = await app.person("member");
    const { organizations, members, roles, projects, agents, apiKeys } = owner.api;
    await organizations.update({
      params: org,
      body: { name: "Renamed", description: "New", max_concurrent_agents: 7 },
    });
    const { data: role } = await roles.create({
      params: org,
      body: { name: "reader", permissions: ["project:read"] },
    });
    const roleParams = { ...org, role_id: role.id };
    await roles.update({ params: roleParams, body: { permissions: ["agent:read"] } });
    const { data: added } = await members.add({
      params: org,
      body: { user_id: member.id, role_id: role.id },
    });
    const memberParams = { ...org, member_id: added.id };
    await members.update({ params: memberParams, body: { role_id: systemRoleIds.viewer } });
    await members.remove({ params: memberParams });
    await roles.remove({ params: roleParams });
    const project = await makeProject(owner, id);
    const projectParams = { project_id: project.id };
    await projects.update({ params: projectParams, body: { description: "Ours" } });
    const agent = await makeAgent(owner, project.id);
    await agents.update({ params: { agent_id: agent.id }, body: { description: "Mine" } });
    const { data: key } = await apiKeys.create({ body: { name: "k", organization_id: id } });
    const withKey = app.client(key.key as string);
    await withKey.projects.update({ params: projectParams, body: { name: "By key" } });
    await apiKeys.update({ params: { key_id: key.id }, body: { name: "renamed" } });
    await apiKeys.revoke({ params: { key_id: key.id } });
    await organizations.archive({ params: org });
    await organizations.restore({ params: org });

    const events = await eventsOf(owner, id);
    expect(events.map(({ action }) => action)).toEqual([
      "organization.restored",
      "organization.archived",
      "api_key.revoked",
      "api_key.updated",
      "project.updated",
      "api_key.created",
      "agent.updated",
      "agent.created",
      "project.updated",
      "project.created",
      "role.deleted",
      "member.removed",
      "member.role_changed",
      "member.added",
      "role.updated",
      "role.created",
      "organization.limits_changed",
      "organization.updated",
      "organization.created",
    ]);
    const of = (action: AuditEvent["action"]) =>
      events.find((event) => event.action === action) as AuditEvent;
    expect(of("organization.limits_changed").changes).toEqual({
      max_concurrent_agents: { from: 5, to: 7 },
    });
    expect(of("organization.updated").changes).toEqual({
      name: { from: expect.any(String), to: "Renamed" },
      description: { from: null, to: "New" },
    });
    expect(of("member.role_changed")).toEqual(
      expect.objectContaining({
        target: { type: "member", id: added.id, name: "member" },
        changes: { role_name: { from: "reader", to: "viewer" } },
      }),
    );
    expect(of("role.updated").changes).toEqual({
      permissions: { from: ["project:read"], to: ["agent:read"] },
    });
    expect(of("api_key.created").changes).toEqual({
      name: { from: null, to: "k" },
      key_hint: { from: null, to: key.key_hint },
      scopes: { from: null, to: [`org:${slug}:*`] },
    });
    const byKey = events.filter(({ actor }) => actor.api_key_id !== null);
    expect(byKey.map(({ changes }) => changes["name"]?.to)).toEqual(["By key"]);
    for (const event of events) {
      expect(event.actor).toEqual({
        type: "user",
        id: owner.id,
        name: "owner",
        api_key_id: byKey.includes(event) ? key.id : null,
      });
      expect(event.ip).toBe("127.0.0.1");
      expect(event.request_id).toMatch(/^[0-9a-f-]{36}$/);
    }
    expect(JSON.stringify(events)).not.toContain(key.key);
  });

  test("chains each event to the previous one by a reproducible hash", async () => {
    const { id } = await makeOrganization(owner);
    await Promise.all(Array.from({ length: 12 }, () => makeProject(owner, id)));
    const events = (await eventsOf(owner, id)).toReversed();
    expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, index) => index + 1));
    let previous = "0".repeat(64);
    for (const { hash, ...rest } of events) {
      expect(rest.previous_hash).toBe(previous);
      const text = sorted({ ...rest, organization_id: id });
      expect(createHash("sha256").update(text).digest("hex")).toBe(hash);
      previous = hash;
    }
  });

  test("records no rejected request and no no-op", async () => {
    const org = await makeOrganization(owner);
    const params = { org_id: org.id };
    await owner.api.organizations.update({ params, body: { name: org.name } });
    await owner.api.organizations.restore({ params });
    await expectProblem(
      owner.api.organizations.update({ params, body: { name: "x", max_concurrent_agents: 0 } }),
      422,
      "validation_failed",
    );
    const { data: members } = await owner.api.members.list({ params });
    const own = { ...params, member_id: members[0]?.id as string };
    await expectProblem(owner.api.members.remove({ params: own }), 409, "last_owner");
    expect((await eventsOf(owner, org.id)).map(({ action }) => action)).toEqual([
      "organization.created",
    ]);
  });

  test("records a key's events in each organization its scopes name, and in no other", async () => {
    const person = await app.person("several");
    const [one, two] = [await makeOrganization(person), await makeOrganization(person)];
    const { data: full } = await person.api.apiKeys.create({ body: { name: "full" } });
    await person.api.apiKeys.create({
      body: { name: "both", scopes: [`org:${one.slug}:project:read`, `org:${two.slug}:*`] },
    });
    const keysOf = async (orgId: string) =>
      (await eventsOf(person, orgId, { action: "api_key.created" })).map(({ target, changes }) => [
        target.name,
        changes["scopes"]?.to,
      ]);
    expect(await keysOf(one.id)).toEqual([["both", [`org:${one.slug}:project:read`]]]);
    expect(await keysOf(two.id)).toEqual([["both", [`org:${two.slug}:*`]]]);
    const other = await makeOrganization(owner);
    expect(await eventsOf(owner, other.id)).toHaveLength(1);

    // Reduced to an organization, a key with full access becomes visible there.
    expect(await eventsOf(person, one.id, { target_id: full.id })).toEqual([]);
    const scopes = [`org:${one.slug}:project:read`];
    await person.api.apiKeys.narrow({ params: { key_id: full.id }, body: { scopes } });
    const [narrowed, ...others] = await eventsOf(person, one.id, { target_id: full.id });
    expect(narrowed).toMatchObject({
      action: "api_key.updated",
      changes: { scopes: { from: ["*:*"], to: scopes } },
    });
    expect(others).toEqual([]);
    expect(await eventsOf(person, two.id, { target_id: full.id })).toEqual([]);
  });

  test("filters by action, actor, target and time, page by page", async () => {
    const { id } = await makeOrganization(owner);
    const admin = await app.person("admin");
    await owner.api.members.add({
      params: { org_id: id },
      body: { user_id: admin.id, role_id: systemRoleIds.admin },
    });
    const project = await makeProject(admin, id);
    const changed = { params: { project_id: project.id } };
    await admin.api.projects.update({ ...changed, body: { name: "One" } });
    await owner.api.projects.update({ ...changed, body: { name: "Two" } });
    const actions = async (query: object) =>
      (await eventsOf(owner, id, query)).map(({ action }) => action);
    expect(await actions({ actor_id: admin.id })).toEqual(["project.updated", "project.created"]);
    expect(await actions({ action: "member.added" })).toEqual(["member.added"]);
    expect(await actions({ target_id: project.id, actor_id: owner.id })).toEqual([
      "project.updated",
    ]);
    expect(await actions({ target_type: "organization" })).toEqual(["organization.created"]);
    const all = await eventsOf(owner, id);
    const third = all[2] as AuditEvent;
    expect(await eventsOf(owner, id, { until: third.at })).toEqual(
      all.filter(({ at }) => at < third.at),
    );
    expect(await eventsOf(owner, id, { since: third.at })).toEqual(
      all.filter(({ at }) => at >= third.at),
    );

    const pages: AuditEvent[] = [];
    let cursor: string | undefined;
    do {
      const answer = await owner.api.audit.list({
        params: { org_id: id },
        query: { limit: 2, ...(cursor === undefined ? {} : { cursor }) },
      });
      pages.push(...answer.data);
      cursor = nextCursor(answer.headers);
    } while (cursor !== undefined);
    expect(pages).toEqual(all);
  });

  test.each([
    { action: "organization.invented" },
    { actor_id: "me" },
    { target_type: "planet" },
    { since: "yesterday" },
    { cursor: "x" },
    { limit: 0 },
    { colour: "red" },
  ])("refuses %o", async (query) => {
    const { id } = await makeOrganization(owner);
    const list = owner.api.audit.list({ params: { org_id: id }, query: query as never });
    const problem = await expectProblem(list, 422, "validation_failed");
    expect(problem.errors?.[0]?.loc.slice(0, 2)).toEqual(["query", Object.keys(query)[0]]);
  });

  test("requires org:audit:read", async () => {
    const { id } = await makeOrganization(owner);
    const member = await app.person("member");
    const body = { user_id: member.id, role_id: systemRoleIds.member };
    await owner.api.members.add({ params: { org_id: id }, body });
    const problem = await expectProblem(
      member.api.audit.list({ params: { org_id: id } }),
      403,
      "insufficient_permission",
    );
    expect(problem.missing_permissions).toEqual(["org:audit:read"]);
  });

  test("cannot be changed or deleted by the serving role or by an owner's mistake", async () => {
    const { id } = await makeOrganization(owner);
    const outcome = (work: Promise<unknown>) =>
      work.then(
        () => "done",
        (error: { code?: string; cause?: { code?: string } }) => error.cause?.code ?? error.code,
      );
    for (const statement of [
      "update audit_events set action = 'role.created'",
      "delete from audit_events",
      "truncate audit_events",
      "alter table audit_events disable trigger user",
    ]) {
      expect(await outcome(app.db.systemPool.query(statement))).toBe("42501");
      expect(await outcome(app.db.tenant(id, (tx) => tx.execute(sql.raw(statement))))).toBe(
        "42501",
      );
    }
    for (const statement of [
      "update audit_events set action = 'role.created'",
      "delete from audit_events",
      "truncate audit_events",
    ]) {
      expect(await outcome(queryAsOwner(app, statement))).toBe("42501");
    }
  });
});

/** Independent of the code under test: JSON with sorted names. */
function sorted(value: unknown): string {
  return JSON.stringify(value, (_name, member: unknown) =>
    typeof member === "object" && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}
