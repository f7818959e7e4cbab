import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import { systemRoleIds } from "#server/db/migrate.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "../support/server/app.js";
import { makeAgent, makeOrganization, makeProject } from "../support/fixtures/factories.js";
import { queryAsOwner } from "../support/database/queries.js";

/**
 * Changes are visible on the next request to every server process, although each has caches: two
 * applications on one database, both asked before and after each change.
 */
describe("freshness across several server processes", () => {
  let here: TestApp;
  let there: TestApp;
  let owner: TestPerson;
  beforeAll(async () => {
    here = await startTestApp();
    there = await here.sibling();
    owner = await here.person("owner");
  });
  afterAll(async () => {
    await there.close();
    await here.close();
  });

  /** The response of both processes, which must be equal. */
  async function onBoth<Answer>(
    ask: (api: TestPerson["api"]) => Promise<{ data: Answer }>,
  ): Promise<Answer> {
    await here.db.changes.syncAll();
    const [one, other] = await Promise.all([owner.api, there.client(owner.token)].map(ask));
    expect(other?.data).toEqual(one?.data);
    return (one as { data: Answer }).data;
  }

  test("each field of an organization, its owner, and its archiving", async () => {
    const { id } = await makeOrganization(owner);
    const params = { org_id: id };
    const get = (): Promise<Organization> => onBoth((api) => api.organizations.get({ params }));
    expect(await get()).toMatchObject({ id, is_active: true });
    for (const body of [
      { name: "Renamed" },
      { slug: `renamed-${id.slice(0, 8)}` },
      { description: "Described" },
      { billing_email: "billing@example.com" },
      { settings: { theme: "dark" } },
      { max_concurrent_agents: 7 },
      { max_agent_runtime_hours: 70 },
    ]) {
      await owner.api.organizations.update({ params, body });
      expect(await get()).toMatchObject(body);
    }
    const heir = await here.person("heir");
    const member = { user_id: heir.id, role_id: systemRoleIds.member };
    await owner.api.members.add({ params, body: member });
    await owner.api.organizations.transfer({ params, body: { user_id: heir.id } });
    expect(await get()).toMatchObject({ owner_id: heir.id });
    await heir.api.organizations.archive({ params });
    expect((await get()).archived_at).not.toBeNull();
    await heir.api.organizations.restore({ params });
    expect(await get()).toMatchObject({ is_active: true, archived_at: null });
  });

  test("members who join, change and leave, and their names", async () => {
    const org = await makeOrganization(owner);
    const params = { org_id: org.id };
    const names = async () =>
      (await onBoth((api) => api.members.list({ params }))).map(
        ({ display_name, email, role_name }) => [display_name, email, role_name],
      );
    const ownRow = ["owner", owner.email, "owner"];
    expect(await names()).toEqual([ownRow]);

    const person = await here.person("first");
    const { data: role } = await owner.api.roles.create({
      params,
      body: { name: "reviewer", permissions: ["org:read"] },
    });
    const { data: member } = await owner.api.members.add({
      params,
      body: { user_id: person.id, role_id: systemRoleIds.viewer },
    });
    expect(await names()).toEqual([ownRow, ["first", person.email, "viewer"]]);
    const memberParams = { ...params, member_id: member.id };
    await owner.api.members.update({ params: memberParams, body: { role_id: role.id } });
    expect(await names()).toEqual([ownRow, ["first", person.email, "reviewer"]]);
    const roleParams = { ...params, role_id: role.id };
    await owner.api.roles.update({ params: roleParams, body: { name: "critic" } });
    expect(await names()).toEqual([ownRow, ["first", person.email, "critic"]]);
    await person.api.auth.updateMe({ body: { full_name: "second" } });
    expect(await names()).toEqual([ownRow, ["second", person.email, "critic"]]);
    const email = `moved-${person.email}`;
    await queryAsOwner(here, "update users set email = $2 where id = $1", [person.id, email]);
    expect(await names()).toEqual([ownRow, ["second", email, "critic"]]);
    await owner.api.members.remove({ params: memberParams });
    expect(await names()).toEqual([ownRow]);

    const agent = await makeAgent(owner, (await makeProject(owner, org.id)).id);
    expect(await names()).toEqual([ownRow, [agent.name, null, "agent_executor"]]);
    await queryAsOwner(here, "update agents set name = 'renamed' where id = $1", [agent.id]);
    expect(await names()).toEqual([ownRow, ["renamed", null, "agent_executor"]]);
  });

  test("an organization that reappears in a list", async () => {
    const { id } = await makeOrganization(owner);
    const params = { org_id: id };
    const listed = async () =>
      (await onBoth((api) => api.organizations.list())).some((item) => item.id === id);
    expect(await listed()).toBe(true);
    await owner.api.organizations.archive({ params });
    expect(await listed()).toBe(false);
    await owner.api.organizations.restore({ params });
    expect(await listed()).toBe(true);

    const blind = { name: "blind", permissions: ["project:read"] };
    const { data: role } = await owner.api.roles.create({ params, body: blind });
    const heir = await here.person("heir");
    const heirs = { user_id: heir.id, role_id: systemRoleIds.owner };
    await owner.api.members.add({ params, body: heirs });
    const { data: members } = await owner.api.members.list({ params });
    const own = members.find(({ user_id }) => user_id === owner.id)?.id as string;
    const ownParams = { params: { ...params, member_id: own } };
    await heir.api.members.update({ ...ownParams, body: { role_id: role.id } });
    expect(await listed()).toBe(false);
    const permissions = ["org:read"];
    const roleParams = { ...params, role_id: role.id };
    await heir.api.roles.update({ params: roleParams, body: { permissions } });
    expect(await listed()).toBe(true);
  });

  test("a slug that an operator assigned to another organization", async () => {
    const [one, two] = [await makeOrganization(owner), await makeOrganization(owner)];
    const slug = `${one.slug}-before`;
    const named = async () =>
      (await onBoth((api) => api.organizations.get({ params: { org_id: slug } }))).id;
    await queryAsOwner(here, "insert into organization_slugs values ($1, $2)", [slug, one.id]);
    expect(await named()).toBe(one.id);
    const move = "update organization_slugs set org_id = $2 where slug = $1";
    await queryAsOwner(here, move, [slug, two.id]);
    expect(await named()).toBe(two.id);
  });

  test("a long list of members is read each time", async () => {
    const org = await makeOrganization(owner);
    const params = { org_id: org.id };
    const add = (from: number, to: number) =>
      queryAsOwner(
        here,
        `with people as (
           insert into users (id, email)
           select gen_random_uuid(), format('crowd-%s@example.com', n)
           from generate_series($3::int, $4::int) n returning id)
         insert into memberships (id, org_id, user_id, role_id)
         select gen_random_uuid(), $1, id, $2 from people`,
        [org.id, systemRoleIds.viewer, from, to],
      );
    const query = { limit: 200 };
    const list = () => onBoth((api) => api.members.list({ params, query }));
    const count = async () => (await list()).length;
    await add(1, 198);
    expect(await count()).toBe(199);
    await add(199, 600);
    expect(await count()).toBe(200);
    await queryAsOwner(
      here,
      "update users set full_name = 'renamed' where email = 'crowd-1@example.com'",
    );
    expect((await list()).map(({ display_name }) => display_name)).toContain("renamed");
  });

  test("If-Match sees the latest write of another process", async () => {
    const clients = [owner.api, there.client(owner.token)];
    for (let round = 0; round < 20; round += 1) {
      const { id } = await makeOrganization(owner);
      const params = { org_id: id };
      const seen = await Promise.all(clients.map((api) => api.organizations.get({ params })));
      const headers = { "if-match": seen[0]?.headers.get("etag") ?? "" };
      const outcomes = await Promise.allSettled(
        clients.map((api, index) =>
          api.organizations.update({ params, body: { name: `By ${index}` } }, { headers }),
        ),
      );
      expect(outcomes.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
      const late = outcomes.find((outcome) => outcome.status === "rejected");
      await expectProblem(Promise.reject(late?.reason), 412, "stale");
    }
  });
});
