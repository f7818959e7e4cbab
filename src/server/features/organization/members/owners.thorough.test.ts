// Thorough: races of two server processes in rounds.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Member } from "#shared/api/organization/members.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import { systemRoleIds } from "../../../db/migrate.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { makeOrganization } from "#test/support/fixtures/factories.js";
import { queryAsOwner } from "#test/support/database/queries.js";

describe("owners and limits of granting roles", () => {
  let app: TestApp;
  let sibling: TestApp;
  let owner: TestPerson;
  let other: TestPerson;
  let org: Organization;
  beforeAll(async () => {
    app = await startTestApp();
    sibling = await app.sibling();
    owner = await app.person("owner");
    other = await app.person("other");
  });
  beforeEach(async () => {
    org = await makeOrganization(owner);
  });
  afterAll(async () => {
    await sibling.close();
    await app.close();
  });

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

  test("of two owners leaving concurrently in two processes one stays, twenty times", async () => {
    for (let round = 0; round < 20; round += 1) {
      org = await makeOrganization(owner);
      const second = await add(other, systemRoleIds.owner);
      const boss = await memberOf(owner);
      const outcomes = await Promise.allSettled([
        round % 2 === 0 ? remove(boss) : change(boss, systemRoleIds.viewer),
        remove(second, other, sibling),
      ]);
      expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      expect(await owners()).toBe(1);
      const kept = outcomes[0]?.status === "fulfilled" ? other.id : owner.id;
      expect(await ownerId()).toBe(kept);
    }
  });
});
