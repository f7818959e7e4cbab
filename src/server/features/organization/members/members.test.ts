import { randomUUID } from "node:crypto";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Member } from "#shared/api/organization/members.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import { systemRoleIds } from "../../../db/migrate.js";
import {
  expectProblem,
  sharedTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { makeAgent, makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { waitForMailQueue, mailsTo } from "#test/support/mail/outbox.js";
import { fieldsOf } from "#test/support/http/raw-request.js";

describe("members", () => {
  let app: TestApp;
  let owner: TestPerson;
  let person: TestPerson;
  let stranger: TestPerson;
  let org: Organization;
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("owner");
    person = await app.person("person");
    stranger = await app.person("stranger");
  });
  beforeEach(async () => {
    org = await makeOrganization(owner);
  });

  const add = async (who: TestPerson, role: keyof typeof systemRoleIds, by = owner) =>
    (
      await by.api.members.add({
        params: { org_id: org.id },
        body: { user_id: who.id, role_id: systemRoleIds[role] },
      })
    ).data;
  const list = async (by = owner): Promise<Member[]> =>
    (await by.api.members.list({ params: { org_id: org.id } })).data;
  const params = (member: Pick<Member, "id">) => ({ org_id: org.id, member_id: member.id });

  test("the creator is the first member, as owner", async () => {
    expect(await list()).toEqual([
      {
        id: expect.any(String) as string,
        kind: "user",
        user_id: owner.id,
        agent_id: null,
        organization_id: org.id,
        role_id: systemRoleIds.owner,
        role_name: "owner",
        joined_at: expect.any(String) as string,
        display_name: "owner",
        email: owner.email,
        invited_by: null,
      },
    ]);
  });

  test("a user is added, listed, changed and removed", async () => {
    const member = await add(person, "viewer");
    expect(member).toMatchObject({
      user_id: person.id,
      agent_id: null,
      role_name: "viewer",
      display_name: "person",
      email: person.email,
      invited_by: owner.id,
    });
    expect((await list(person)).map(({ id }) => id)).toContain(member.id);
    const body = { role_id: systemRoleIds.admin };
    const { data: changed } = await owner.api.members.update({ params: params(member), body });
    expect(changed).toEqual({ ...member, role_id: systemRoleIds.admin, role_name: "admin" });
    const removed = await owner.api.members.remove({ params: params(member) });
    expect(removed.status).toBe(204);
    expect((await list()).map(({ user_id }) => user_id)).toEqual([owner.id]);
    await expectProblem(owner.api.members.remove({ params: params(member) }), 404, "not_found");
    await expectProblem(
      owner.api.members.update({ params: params(member), body }),
      404,
      "not_found",
    );
    expect((await add(person, "member")).id).not.toBe(member.id);
  });

  test("an added user is notified by email and can leave", async () => {
    const member = await add(person, "viewer");
    await waitForMailQueue(app);
    const link = `${app.url}/organizations/${org.id}`;
    const emails = (await mailsTo(app, person.email)).filter(({ text }) => text.includes(link));
    expect(emails.map(({ text }) => text.includes("choose Leave"))).toEqual([true]);
    expect((await person.api.organizations.list()).data.map(({ id }) => id)).toContain(org.id);
    expect((await person.api.members.remove({ params: params(member) })).status).toBe(204);
    expect((await person.api.organizations.list()).data.map(({ id }) => id)).not.toContain(org.id);
  });

  test("an agent is a member from its creation and cannot be added twice", async () => {
    const project = await makeProject(owner, org.id);
    const agent = await makeAgent(owner, project.id);
    const member = (await list()).find(({ agent_id }) => agent_id === agent.id) as Member;
    expect(member).toMatchObject({
      user_id: null,
      role_name: "agent_executor",
      display_name: agent.name,
      email: null,
      invited_by: owner.id,
    });
    const body = { agent_id: agent.id, role_id: systemRoleIds.viewer };
    const again = () => owner.api.members.add({ params: { org_id: org.id }, body });
    await expectProblem(again(), 409, "already_member");
    await owner.api.members.remove({ params: params(member) });
    expect((await again()).data).toMatchObject({ agent_id: agent.id, role_name: "viewer" });
  });

  test("adding a member ten times concurrently creates one membership", async () => {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 10 }, () => add(person, "viewer")),
    );
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    await expectProblem(add(person, "member"), 409, "already_member");
  });

  test("unknown users, agents and roles are 422, each by its field", async () => {
    const elsewhere = await makeOrganization(stranger);
    const foreign = await makeAgent(stranger, (await makeProject(stranger, elsewhere.id)).id);
    const role_id = systemRoleIds.viewer;
    for (const [body, field] of [
      [{ user_id: randomUUID(), role_id }, "body.user_id"],
      [{ user_id: "ann", role_id }, "body.user_id"],
      [{ agent_id: randomUUID(), role_id }, "body.agent_id"],
      [{ agent_id: foreign.id, role_id }, "body.agent_id"],
      [{ user_id: person.id, role_id: randomUUID() }, "body.role_id"],
      [{ user_id: person.id, role_id: "viewer" }, "body.role_id"],
      [{ user_id: person.id }, "body.role_id"],
      [{ role_id }, "body.user_id"],
      [{ user_id: person.id, agent_id: randomUUID(), role_id }, "body.user_id"],
      [{ user_id: person.id, role_id, organization_id: org.id }, "body.organization_id"],
    ] as [{ role_id: string }, string][]) {
      const call = owner.api.members.add({ params: { org_id: org.id }, body });
      expect(fieldsOf(await expectProblem(call, 422, "validation_failed"))).toEqual([field]);
    }
    const member = await add(person, "viewer");
    for (const role of [randomUUID(), person.id]) {
      const call = owner.api.members.update({ params: params(member), body: { role_id: role } });
      expect(fieldsOf(await expectProblem(call, 422, "validation_failed"))).toEqual([
        "body.role_id",
      ]);
    }
  });

  test.each(["viewer", "member"] as const)("a %s can list but not change members", async (role) => {
    await add(person, role);
    const [first] = await list(person);
    for (const [call, permission] of [
      [() => add(stranger, "viewer", person), "org:members:write"],
      [
        () =>
          person.api.members.update({
            params: params(first as Member),
            body: { role_id: systemRoleIds.viewer },
          }),
        "org:members:write",
      ],
      [() => person.api.members.remove({ params: params(first as Member) }), "org:members:delete"],
    ] as const) {
      const problem = await expectProblem(call(), 403, "insufficient_permission");
      expect(problem.missing_permissions).toEqual([permission]);
    }
    expect(await list()).toHaveLength(2);
  });

  test("an agent's role cannot list members", async () => {
    await add(person, "agent_executor");
    await expectProblem(list(person), 403, "insufficient_permission");
  });

  test("leaving requires no role and accepts an uppercase id", async () => {
    for (const role of ["viewer", "agent_executor", "owner"] as const) {
      const member = await add(person, role);
      const member_id = role === "viewer" ? member.id.toUpperCase() : member.id;
      const left = await person.api.members.remove({ params: { org_id: org.id, member_id } });
      expect(left.status).toBe(204);
      const call = person.api.organizations.get({ params: { org_id: org.id } });
      await expectProblem(call, 404, "not_found");
    }
  });

  test("a removed member gets 404 on the next request, by session, cookie and key", async () => {
    const own = await makeOrganization(person);
    const member = await add(person, "admin");
    const { data: key } = await person.api.apiKeys.create({ body: { name: "k" } });
    const { data: scoped } = await person.api.apiKeys.create({
      body: { name: "k", organization_id: org.id },
    });
    const project = await makeProject(owner, org.id);
    const byKey = app.client(key.key as string);
    const byScoped = app.client(scoped.key as string);
    const at = { params: { org_id: org.id } };
    for (const api of [person.api, byKey, byScoped]) await api.organizations.get(at);
    await owner.api.members.remove({ params: params(member) });
    for (const api of [person.api, byKey, byScoped]) {
      await expectProblem(api.organizations.get(at), 404, "not_found");
      await expectProblem(api.members.list(at), 404, "not_found");
      const params = { project_id: project.id };
      await expectProblem(api.projects.get({ params }), 404, "not_found");
    }
    for (const api of [person.api, byKey]) {
      const listed = (await api.organizations.list()).data.map(({ id }) => id);
      expect(listed).toContain(own.id);
      expect(listed).not.toContain(org.id);
    }
  });
});
