import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ApiError } from "#shared/contract/client.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import { systemRoleIds } from "#server/db/migrate.js";
import { sharedTestApp, type TestApp, type TestPerson } from "../support/server/app.js";
import { makeAgent, makeOrganization, makeProject } from "../support/fixtures/factories.js";
import { rounds } from "../support/thorough.js";

const most = rounds({ thorough: 20, else: 4 });
const often = rounds({ thorough: 20, else: 2 });

/** The outcome of a call: the status, and the code of an error. */
interface Outcome {
  status: number;
  code: string | null;
}

async function outcomeOf(call: Promise<{ status: number }>): Promise<Outcome> {
  try {
    return { status: (await call).status, code: null };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return { status: error.problem.status, code: error.problem.code };
  }
}

/**
 * Each call is allowed by itself and forbidden after the other one. Both are sent at once, to two
 * server processes with separate caches.
 */
describe("two contradicting calls", { timeout: 120_000 }, () => {
  let here: TestApp;
  let there: TestApp;
  let owner: TestPerson;
  let people: TestPerson[];
  beforeAll(async () => {
    here = await sharedTestApp();
    there = await here.sibling();
    owner = await here.person("owner");
    people = [await here.person("first"), await here.person("second")];
  });
  afterAll(() => there.close());

  /** The same person at the other process. */
  const elsewhere = ({ token }: TestPerson) => there.client(token);

  /** An organization with two members of a role. */
  async function organizationOf(role: keyof typeof systemRoleIds) {
    const org = await makeOrganization(owner);
    const params = { org_id: org.id };
    const memberIds = [];
    for (const { id } of people) {
      const body = { user_id: id, role_id: systemRoleIds[role] };
      memberIds.push((await owner.api.members.add({ params, body })).data.id);
    }
    const [first, second] = people as [TestPerson, TestPerson];
    const [firstId, secondId] = memberIds as [string, string];
    return { org, params, first, second, firstId, secondId };
  }

  /** Races two calls; expects one to succeed and the other to be refused because of it. */
  async function expectOneWinner(
    calls: [Promise<{ status: number }>, Promise<{ status: number }>],
    refusals: readonly string[],
  ): Promise<number> {
    const outcomes = await Promise.all(calls.map((call) => outcomeOf(call)));
    const winners = outcomes.filter(({ code }) => code === null);
    const loser = outcomes.find(({ code }) => code !== null);
    expect(winners, JSON.stringify(outcomes)).toHaveLength(1);
    expect(refusals, JSON.stringify(outcomes)).toContain(loser?.code);
    return outcomes.findIndex(({ code }) => code === null);
  }

  /** Races a revocation with a use of the revoked right; a successful use must come first. */
  async function expectInOrder(
    { id }: Organization,
    use: { call: Promise<{ status: number }>; action: string; refusals: readonly string[] },
    taking: { call: Promise<{ status: number }>; action: string },
  ): Promise<void> {
    const [used, taken] = await Promise.all([outcomeOf(use.call), outcomeOf(taking.call)]);
    expect(taken.code).toBeNull();
    if (used.code !== null) {
      expect(use.refusals).toContain(used.code);
      return;
    }
    const { data: events } = await owner.api.audit.list({
      params: { org_id: id },
      query: { limit: 50 },
    });
    const at = (action: string) => events.find((event) => event.action === action)?.sequence ?? 0;
    expect(at(use.action)).toBeGreaterThan(0);
    expect(at(use.action)).toBeLessThan(at(taking.action));
  }

  const repeated = (work: () => Promise<void>, times: number) => async () => {
    for (let round = 0; round < times; round += 1) await work();
  };

  test(
    "transfers to two members: one succeeds, and the previous owner is no longer an owner",
    repeated(async () => {
      const { params, first, second } = await organizationOf("member");
      const winner = await expectOneWinner(
        [
          owner.api.organizations.transfer({ params, body: { user_id: first.id } }),
          elsewhere(owner).organizations.transfer({ params, body: { user_id: second.id } }),
        ],
        ["insufficient_permission"],
      );
      const { data: org } = await owner.api.organizations.get({ params });
      expect(org.owner_id).toBe([first, second][winner]?.id);
      const { data: members } = await owner.api.members.list({ params });
      expect(members.filter(({ role_name }) => role_name === "owner")).toHaveLength(1);
    }, most),
  );

  test(
    "a transfer and an archiving by the same owner",
    repeated(async () => {
      const { params, first } = await organizationOf("member");
      await expectOneWinner(
        [
          owner.api.organizations.transfer({ params, body: { user_id: first.id } }),
          elsewhere(owner).organizations.archive({ params }),
        ],
        ["insufficient_permission", "organization_archived"],
      );
    }, often),
  );

  test(
    "two admins demote each other",
    repeated(async () => {
      const { params, first, second, firstId, secondId } = await organizationOf("admin");
      const body = { role_id: systemRoleIds.viewer };
      await expectOneWinner(
        [
          first.api.members.update({ params: { ...params, member_id: secondId }, body }),
          elsewhere(second).members.update({ params: { ...params, member_id: firstId }, body }),
        ],
        ["insufficient_permission"],
      );
    }, often),
  );

  test(
    "two admins remove each other",
    repeated(async () => {
      const { params, first, second, firstId, secondId } = await organizationOf("admin");
      await expectOneWinner(
        [
          first.api.members.remove({ params: { ...params, member_id: secondId } }),
          elsewhere(second).members.remove({ params: { ...params, member_id: firstId } }),
        ],
        ["not_found"],
      );
    }, often),
  );

  test(
    "the last two owners leave",
    repeated(async () => {
      const { params, firstId, secondId, first, second } = await organizationOf("owner");
      const { data: members } = await owner.api.members.list({ params });
      const own = members.find(({ user_id }) => user_id === owner.id)?.id as string;
      await owner.api.members.remove({ params: { ...params, member_id: own } });
      await expectOneWinner(
        [
          first.api.members.remove({ params: { ...params, member_id: firstId } }),
          elsewhere(second).members.remove({ params: { ...params, member_id: secondId } }),
        ],
        ["last_owner"],
      );
    }, often),
  );

  test(
    "a role is deleted while it is assigned, or used in an invitation",
    repeated(async () => {
      const { params, firstId } = await organizationOf("viewer");
      const make = async () => {
        const body = { name: "reviewer", permissions: ["org:read"] };
        return (await owner.api.roles.create({ params, body })).data.id;
      };
      let role_id = await make();
      const assigned = await expectOneWinner(
        [
          owner.api.roles.remove({ params: { ...params, role_id } }),
          elsewhere(owner).members.update({
            params: { ...params, member_id: firstId },
            body: { role_id },
          }),
        ],
        ["validation_failed", "role_in_use"],
      );
      if (assigned === 1) {
        const body = { role_id: systemRoleIds.viewer };
        await owner.api.members.update({ params: { ...params, member_id: firstId }, body });
        await owner.api.roles.remove({ params: { ...params, role_id } });
      }
      role_id = await make();
      await expectOneWinner(
        [
          owner.api.roles.remove({ params: { ...params, role_id } }),
          elsewhere(owner).invitations.create({
            params,
            body: { email: `guest-${role_id}@example.com`, role_id },
          }),
        ],
        ["validation_failed", "role_in_use"],
      );
    }, often),
  );

  test(
    "two roles inherit from each other",
    repeated(async () => {
      const org = await makeOrganization(owner);
      const params = { org_id: org.id };
      const [one, other] = await Promise.all(
        ["one", "other"].map(async (name) => {
          const body = { name, permissions: ["org:read"] };
          return (await owner.api.roles.create({ params, body })).data.id;
        }),
      );
      const inherit = (api: TestPerson["api"], role_id = "", inherits_from = "") =>
        api.roles.update({ params: { ...params, role_id }, body: { inherits_from } });
      await expectOneWinner(
        [inherit(owner.api, one, other), inherit(elsewhere(owner), other, one)],
        ["validation_failed"],
      );
    }, often),
  );

  test(
    "an invitation is accepted and revoked",
    repeated(async () => {
      // An address may receive five invitations an hour.
      const guest = await here.person("guest");
      const org = await makeOrganization(owner);
      const params = { org_id: org.id };
      const { data: invitation } = await owner.api.invitations.create({
        params,
        body: { email: guest.email, role_id: systemRoleIds.member },
      });
      const token = invitation.invite_url?.split("/").at(-1) as string;
      await expectOneWinner(
        [
          guest.api.invitations.accept({ params: { token } }),
          elsewhere(owner).invitations.revoke({
            params: { ...params, invitation_id: invitation.id },
          }),
        ],
        ["invitation_not_pending", "not_found"],
      );
    }, often),
  );

  test(
    "two runs compete for the last slot",
    repeated(async () => {
      const org = await makeOrganization(owner);
      const params = { org_id: org.id };
      await owner.api.organizations.update({ params, body: { max_concurrent_agents: 1 } });
      const project = await makeProject(owner, org.id);
      const agents = [await makeAgent(owner, project.id), await makeAgent(owner, project.id)];
      const start = (api: TestPerson["api"], agent_id = "") =>
        api.runs.create({ params: { agent_id }, body: { external: true } });
      await expectOneWinner(
        [start(owner.api, agents[0]?.id), start(elsewhere(owner), agents[1]?.id)],
        ["quota_exceeded"],
      );
    }, often),
  );

  test(
    "a member's last action comes before the loss of the role",
    repeated(async () => {
      const { org, params, first, firstId } = await organizationOf("admin");
      await expectInOrder(
        org,
        {
          call: elsewhere(first).roles.create({
            params,
            body: { name: "late", permissions: ["org:read"] },
          }),
          action: "role.created",
          refusals: ["insufficient_permission"],
        },
        {
          call: owner.api.members.update({
            params: { ...params, member_id: firstId },
            body: { role_id: systemRoleIds.viewer },
          }),
          action: "member.role_changed",
        },
      );
    }, often),
  );

  test(
    "a key for an organization is created before its creator is removed",
    repeated(async () => {
      const { org, params, first, firstId } = await organizationOf("admin");
      await expectInOrder(
        org,
        {
          call: elsewhere(first).apiKeys.create({
            body: { name: "late", organization_id: org.id },
          }),
          action: "api_key.created",
          refusals: ["validation_failed"],
        },
        {
          call: owner.api.members.remove({ params: { ...params, member_id: firstId } }),
          action: "member.removed",
        },
      );
    }, often),
  );

  test(
    "a creation comes before the archiving, or after the restore",
    repeated(async () => {
      const org = await makeOrganization(owner);
      const params = { org_id: org.id };
      const create = (name: string) =>
        elsewhere(owner).projects.create({ body: { organization_id: org.id, name } });
      await expectInOrder(
        org,
        {
          call: create("at the end"),
          action: "project.created",
          refusals: ["organization_archived"],
        },
        { call: owner.api.organizations.archive({ params }), action: "organization.archived" },
      );
      const [created] = await Promise.all([
        outcomeOf(create("at the start")),
        owner.api.organizations.restore({ params }),
      ]);
      if (created.code !== null) {
        expect(created.code).toBe("organization_archived");
        return;
      }
      const { data: events } = await owner.api.audit.list({ params, query: { limit: 2 } });
      expect(events.map(({ action }) => action)).toEqual([
        "project.created",
        "organization.restored",
      ]);
    }, often),
  );

  test(
    "an agent is created before its project is deleted, and works before its termination",
    repeated(async () => {
      const org = await makeOrganization(owner);
      const project = await makeProject(owner, org.id);
      const agent = await makeAgent(owner, project.id);
      const agentParams = { params: { agent_id: agent.id } };
      await Promise.all([
        outcomeOf(elsewhere(owner).runs.create({ ...agentParams, body: { external: true } })),
        outcomeOf(owner.api.agents.delete(agentParams)),
      ]);
      const { data: runs } = await owner.api.runs.list(agentParams);
      expect(runs.filter(({ status }) => status === "running")).toEqual([]);
      await expectInOrder(
        org,
        {
          call: elsewhere(owner).agents.create({
            body: { project_id: project.id, name: "late" },
          }),
          action: "agent.created",
          refusals: ["validation_failed"],
        },
        {
          call: owner.api.projects.delete({ params: { project_id: project.id } }),
          action: "project.deleted",
        },
      );
    }, often),
  );
});
