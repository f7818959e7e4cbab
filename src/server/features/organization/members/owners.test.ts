import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Member } from "#shared/api/organization/members.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import { systemRoleIds } from "../../../db/migrate.js";
import {
  expectProblem,
  sharedTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { makeOrganization } from "#test/support/fixtures/factories.js";
import { queryAsOwner } from "#test/support/database/queries.js";

describe("owners and limits of granting roles", () => {
  let app: TestApp;
  let sibling: TestApp;
  let owner: TestPerson;
  let admin: TestPerson;
  let other: TestPerson;
  let third: TestPerson;
  let org: Organization;
  beforeAll(async () => {
    app = await sharedTestApp();
    sibling = await app.sibling();
    owner = await app.person("owner");
    admin = await app.person("admin");
    other = await app.person("other");
    third = await app.person("third");
  });
  beforeEach(async () => {
    org = await makeOrganization(owner);
  });
  afterAll(() => sibling.close());

  const add = async (who: TestPerson, role: string, by = owner): Promise<Member> =>
    (
      await by.api.members.add({
        params: { org_id: org.id },
        body: { user_id: who.id, role_id: role },
      })
    ).data;
  const memberOf = async (who: TestPerson): Promise<Member> => {
    const { data } = await owner.api.members.list({ params: { org_id: org.id } });
    return data.find(({ user_id }) => user_id === who.id) as Member;
  };
  const change = (member: Member, role_id: string, by = owner, from = app) =>
    from.client(by.token).members.update({
      params: { org_id: org.id, member_id: member.id },
      body: { role_id },
    });
  const remove = (member: Member, by = owner, from = app) =>
    from.client(by.token).members.remove({ params: { org_id: org.id, member_id: member.id } });
  const ownerId = async () =>
    (
      await queryAsOwner<{ id: string }>(
        app,
        "select owner_id as id from organizations where id = $1",
        [org.id],
      )
    )[0]?.id;
  const owners = async () =>
    (
      await queryAsOwner(app, "select from memberships where org_id = $1 and role_id = $2", [
        org.id,
        systemRoleIds.owner,
      ])
    ).length;

  test("an admin can neither create nor change owners", async () => {
    const self = await add(admin, systemRoleIds.admin);
    const boss = await memberOf(owner);
    for (const call of [
      () => add(other, systemRoleIds.owner, admin),
      () => change(self, systemRoleIds.owner, admin),
      () => change(boss, systemRoleIds.viewer, admin),
      () => change(boss, systemRoleIds.owner, admin),
      () => remove(boss, admin),
    ]) {
      const problem = await expectProblem(call(), 403, "privilege_escalation");
      expect(problem.missing_permissions).toEqual(["org:archive", "org:transfer"]);
    }
    expect((await memberOf(admin)).role_name).toBe("admin");
    expect((await memberOf(owner)).role_name).toBe("owner");
    expect(await memberOf(other)).toBeUndefined();
    // Roles within the admin's permissions are allowed.
    const added = await add(other, systemRoleIds.admin, admin);
    expect((await change(added, systemRoleIds.viewer, admin)).data.role_name).toBe("viewer");
    expect((await remove(added, admin)).status).toBe(204);
    expect((await change(self, systemRoleIds.viewer, admin)).data.role_name).toBe("viewer");
  });

  test("a key grants no more than its scopes", async () => {
    const make = async (pattern: string) => {
      const scopes = [`org:${org.slug}:${pattern}`];
      const { data } = await owner.api.apiKeys.create({ body: { name: "k", scopes } });
      return { ...owner, api: app.client(data.key as string) };
    };
    const narrow = await make("org:members:*");
    await expectProblem(add(other, systemRoleIds.viewer, narrow), 403, "privilege_escalation");
    await expectProblem(add(other, systemRoleIds.owner, narrow), 403, "privilege_escalation");
    const wide = await make("*");
    expect((await add(other, systemRoleIds.owner, wide)).role_name).toBe("owner");
  });

  test("the last owner cannot leave, be demoted or be removed", async () => {
    await add(admin, systemRoleIds.admin);
    const boss = await memberOf(owner);
    await expectProblem(remove(boss), 409, "last_owner");
    await expectProblem(change(boss, systemRoleIds.admin), 409, "last_owner");
    expect((await change(boss, systemRoleIds.owner)).data.role_name).toBe("owner");
    const second = await add(other, systemRoleIds.owner);
    expect((await change(boss, systemRoleIds.admin)).data.role_name).toBe("admin");
    await expectProblem(remove(second, other), 409, "last_owner");
  });

  test("an agent with the owner role does not count as an owner", async () => {
    const { data: project } = await owner.api.projects.create({
      body: { organization_id: org.id, name: "p" },
    });
    const body = { project_id: project.id, name: "robot" };
    const { data: agent } = await owner.api.agents.create({ body });
    await queryAsOwner(app, "update memberships set role_id = $1 where agent_id = $2", [
      systemRoleIds.owner,
      agent.id,
    ]);
    await expectProblem(remove(await memberOf(owner)), 409, "last_owner");
  });

  test("owner_id moves to the earliest remaining owner, only when its owner leaves", async () => {
    expect(await ownerId()).toBe(owner.id);
    await add(admin, systemRoleIds.admin);
    const second = await add(other, systemRoleIds.owner);
    const last = await add(third, systemRoleIds.owner);
    // Joined earlier but with a later id: the time decides.
    await queryAsOwner(
      app,
      "update memberships set joined_at = now() - interval '1 day' where id = $1",
      [last.id],
    );
    const boss = await memberOf(owner);
    await change(boss, systemRoleIds.member);
    expect(await ownerId()).toBe(third.id);
    await remove(second, other);
    expect(await ownerId()).toBe(third.id);
    const { data } = await owner.api.organizations.get({ params: { org_id: org.id } });
    expect(data.owner_id).toBe(third.id);
    const [item] = (await third.api.organizations.list()).data;
    expect(item?.owner).toEqual({ id: third.id, email: third.email });
  });

  test("of two owners demoting each other one stays", async () => {
    const second = await add(other, systemRoleIds.owner);
    const boss = await memberOf(owner);
    const outcomes = await Promise.allSettled([
      change(second, systemRoleIds.viewer, owner),
      change(boss, systemRoleIds.viewer, other, sibling),
    ]);
    expect(outcomes.some(({ status }) => status === "fulfilled")).toBe(true);
    expect(await owners()).toBeGreaterThanOrEqual(1);
  });
});
