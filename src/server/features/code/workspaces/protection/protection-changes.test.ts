import { randomUUID } from "node:crypto";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { ProtectionChange } from "#shared/api/code/protection-changes.js";
import type { Project } from "#shared/api/code/projects.js";
import { MAX_CHANGED_CHECKS } from "#shared/api/code/protection-changes.js";
import type { Client } from "#shared/contract/client.js";
import { systemRoleIds } from "#server/db/migrate.js";
import {
  expectProblem,
  sharedTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { makeAgent, makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { makeServiceAccount } from "#test/support/fixtures/service-accounts.js";
import { rounds } from "#test/support/thorough.js";

type Colleague = TestPerson & { memberId: string };

/** Weakening a rule needs the approvals that the rule asks for. */
describe("changes of protection", () => {
  let app: TestApp;
  let ada: TestPerson;
  let org: Organization;
  let project: Project;
  /** They join organizations as colleagues. */
  const people: TestPerson[] = [];
  let joined = 0;
  beforeAll(async () => {
    app = await sharedTestApp();
    ada = await app.person("Ada");
  });
  beforeEach(async () => {
    joined = 0;
    org = await makeOrganization(ada);
    project = await makeProject(ada, org.id);
    await setCheck(ada, "npm");
    await update(ada, [rule]);
  });

  const rule = { pattern: "main", checks: ["test"], approvals: 1 };
  const params = () => ({ project_id: project.id });
  const update = ({ api }: { api: Client }, protected_branches: object[]) =>
    api.projects.update({
      params: params(),
      body: { protected_branches: protected_branches as [] },
    });
  const setCheck = ({ api }: { api: Client }, program: string, name = "test") =>
    api.mergeQueue.setCheck({ params: { ...params(), name }, body: { command: [program] } });
  const propose = async ({ api }: { api: Client }, body: object = { protected_branches: [] }) =>
    (await api.protectionChanges.propose({ params: params(), body })).data;
  const one = ({ id }: ProtectionChange) => ({ params: { protection_change_id: id } });
  const approve = async ({ api }: { api: Client }, change: ProtectionChange) =>
    (await api.protectionChanges.approve(one(change))).data;
  const rules = async () =>
    (await ada.api.projects.get({ params: params() })).data.protected_branches;
  const join = async (role: keyof typeof systemRoleIds = "member"): Promise<Colleague> => {
    const person = (people[joined] ??= await app.person("colleague"));
    joined += 1;
    const body = { user_id: person.id, role_id: systemRoleIds[role] };
    const { data } = await ada.api.members.add({ params: { org_id: org.id }, body });
    return { ...person, memberId: data.id };
  };
  const setRole = ({ memberId }: Colleague, role: keyof typeof systemRoleIds) =>
    ada.api.members.update({
      params: { org_id: org.id, member_id: memberId },
      body: { role_id: systemRoleIds[role] },
    });
  const actions = async () => {
    const { data } = await ada.api.audit.list({ params: { org_id: org.id } });
    return data
      .map(({ action, actor }) => [action, actor.id] as const)
      .filter(([action]) => /protection|check_set|project\.updated/.test(action));
  };

  test("are applied at once where no one else could approve, and where nothing is weakened", async () => {
    await join("viewer");
    await makeServiceAccount(app, ada, org.id, { role: "admin" });
    await makeAgent(ada, project.id);
    await update(ada, []);
    await setCheck(ada, "true");
    await update(ada, [rule]);
    const change = await propose(ada);
    expect(change).toMatchObject({
      project_id: project.id,
      proposed_by: { type: "user", id: ada.id },
      protected_branches: [],
      checks: [],
      status: "applied",
      required_approvals: 0,
      approvals: [],
    });
    expect(await rules()).toEqual([]);
    await join("admin");
    const stricter = { ...rule, approvals: 2 };
    expect((await propose(ada, { protected_branches: [stricter] })).status).toBe("applied");
    await update(ada, [{ ...rule, approvals: 3 }]);
    await setCheck(ada, "npm", "lint");
    await ada.api.mergeQueue.deleteCheck({ params: { ...params(), name: "lint" } });
  });

  test.each([
    ["an empty list", { protected_branches: [] }],
    ["fewer approvals", { protected_branches: [{ ...rule, approvals: 0 }] }],
    ["fewer checks", { protected_branches: [{ ...rule, checks: [] }] }],
    ["another pattern", { protected_branches: [{ ...rule, pattern: "mainly" }] }],
    ["a rule before", { protected_branches: [{ pattern: "m*" }, rule] }],
    ["a check that always passes", { checks: [{ name: "test", command: ["true"] }] }],
  ])("wait for an approval: %s", async (_title, body) => {
    const bob = await join("admin");
    const before = await rules();
    const direct = "checks" in body ? setCheck(ada, "true") : update(ada, body.protected_branches);
    const problem = await expectProblem(direct, 409, "protection_change_needs_approval");
    expect(problem["required_approvals"]).toBe(1);
    const change = await propose(ada, body);
    expect(change).toMatchObject({ status: "pending", required_approvals: 1, ended_at: null });
    expect(await rules()).toEqual(before);
    const applied = await approve(bob, change);
    expect(applied).toMatchObject({
      status: "applied",
      approvals: [{ by: { type: "user", id: bob.id } }],
    });
    if ("checks" in body) {
      const { data } = await ada.api.mergeQueue.check({ params: { ...params(), name: "test" } });
      expect(data.command).toEqual(["true"]);
    } else expect(await rules()).toMatchObject(body.protected_branches);
    expect((await actions()).slice(0, 4)).toEqual([
      ["project.protection_applied", ada.id],
      ...("checks" in body ? [["project.check_set", ada.id]] : []),
      ["project.protection_approved", bob.id],
      ["project.protection_proposed", ada.id],
      ...("checks" in body ? [] : [["project.updated", ada.id]]),
    ]);
  });

  test("need as many approvals as the rule asks for, of people, once each, and at most all others", async () => {
    await update(ada, [{ ...rule, approvals: 5 }]);
    const [bob, eve] = [await join(), await join()];
    const change = await propose(ada);
    expect(change.required_approvals).toBe(2);
    await expectProblem(approve(ada, change), 403, "own_work");
    const robot = await makeServiceAccount(app, ada, org.id, { role: "admin" });
    await expectProblem(approve(robot, change), 403, "own_work");
    const agent = await makeAgent(ada, project.id);
    const { data: key } = await ada.api.apiKeys.create({
      body: { name: "of an agent", agent_id: agent.id },
    });
    const byAgent = { api: app.client(key.key as string) };
    await expectProblem(approve(byAgent, change), 403, "own_work");
    await expectProblem(approve(await join("viewer"), change), 403, "insufficient_permission");
    expect((await approve(bob, change)).status).toBe("pending");
    expect((await approve(bob, change)).approvals).toHaveLength(1);
    expect((await approve(eve, change)).status).toBe("applied");
    expect(await rules()).toEqual([]);
    await expectProblem(approve(eve, change), 409, "protection_change_ended");
    await expectProblem(
      ada.api.protectionChanges.withdraw(one(change)),
      409,
      "protection_change_ended",
    );
  });

  test("do not count the approval of a person who may no longer approve", async () => {
    await update(ada, [{ ...rule, approvals: 2 }]);
    const [bob, eve, sue] = [await join(), await join(), await join()];
    const change = await propose(ada);
    await approve(bob, change);
    await setRole(bob, "viewer");
    const seen = async () => (await ada.api.protectionChanges.get(one(change))).data;
    expect(await seen()).toMatchObject({ approvals: [], required_approvals: 2 });
    expect((await approve(eve, change)).status).toBe("pending");
    await setRole(bob, "member");
    expect((await seen()).approvals).toHaveLength(2);
    await setRole(sue, "viewer");
    await setRole(bob, "viewer");
    expect(await seen()).toMatchObject({ required_approvals: 1, status: "pending" });
    expect((await approve(eve, change)).status).toBe("applied");
  });

  test("are withdrawn by those who may propose, and one is pending at a time", async () => {
    const [bob, member] = [await join("admin"), await join()];
    const change = await propose(ada);
    const problem = await expectProblem(propose(bob), 409, "protection_change_open");
    expect(problem["protection_change_id"]).toBe(change.id);
    const withdraw = ({ api }: TestPerson) => api.protectionChanges.withdraw(one(change));
    await expectProblem(withdraw(member), 403, "insufficient_permission");
    await withdraw(bob);
    const { data } = await member.api.protectionChanges.get(one(change));
    expect(data).toMatchObject({ status: "withdrawn", reason: "It was withdrawn." });
    const next = await propose(bob);
    const { data: list } = await member.api.protectionChanges.list({ params: params() });
    expect(list.slice(0, 2).map(({ id }) => id)).toEqual([next.id, change.id]);
    const { data: page, headers } = await member.api.protectionChanges.list({
      params: params(),
      query: { limit: 1 },
    });
    expect(page).toHaveLength(1);
    expect(headers.get("link")).toContain("cursor=");
  });

  test("name what is wrong with a proposal", async () => {
    const tooMany = Array.from({ length: MAX_CHANGED_CHECKS + 1 }, (_, index) => ({
      name: `check-${index}`,
      command: ["true"],
    }));
    for (const body of [
      {},
      { checks: [] },
      { checks: tooMany },
      { checks: [tooMany[0], tooMany[0]] },
      { checks: [{ name: "a", command: ["true"], log_pattern: "(" }] },
      { protected_branches: [{ pattern: "main", checks: ["unknown"] }] },
    ]) {
      await expectProblem(propose(ada, body), 422, "validation_failed");
    }
    expect((await propose(ada, { checks: tooMany.slice(1) })).status).toBe("applied");
    const { data: checks } = await ada.api.mergeQueue.checks({ params: params() });
    for (let index = checks.length; index < 50; index += 1)
      await setCheck(ada, "true", `n-${index}`);
    const beyond = propose(ada, { checks: [{ name: "beyond", command: ["true"] }] });
    await expectProblem(beyond, 409, "too_many_checks");
    const none = { id: randomUUID() } as ProtectionChange;
    await expectProblem(ada.api.protectionChanges.get(one(none)), 404, "not_found");
    await expectProblem(approve(ada, none), 404, "not_found");
    await expectProblem(ada.api.protectionChanges.withdraw(one(none)), 404, "not_found");
  });

  test("belong to their organization", async () => {
    await join("admin");
    const change = await propose(ada);
    const stranger = await app.person("stranger");
    await makeOrganization(stranger);
    for (const call of [
      () => stranger.api.protectionChanges.get(one(change)),
      () => approve(stranger, change),
      () => stranger.api.protectionChanges.withdraw(one(change)),
      () => propose(stranger),
      () => stranger.api.protectionChanges.list({ params: params() }),
    ]) {
      await expectProblem(call(), 404, "not_found");
    }
  });

  test("need agent:network:full for checks with the whole network, when applied, too", async () => {
    const role = async (permissions: string[]) =>
      (
        await ada.api.roles.create({
          params: { org_id: org.id },
          body: { name: `r-${permissions.length}`, permissions: ["project:*", ...permissions] },
        })
      ).data.id;
    const without = await role([]);
    const keeper = await join();
    const become = (role_id: string) =>
      ada.api.members.update({
        params: { org_id: org.id, member_id: keeper.memberId },
        body: { role_id },
      });
    await become(without);
    const body = { checks: [{ name: "test", command: ["true"], network: "full" }] };
    await expectProblem(propose(keeper, body), 403, "insufficient_permission");
    await become(await role(["agent:network:full"]));
    const change = await propose(keeper, body);
    await become(without);
    expect((await approve(ada, change)).status).toBe("withdrawn");
  });

  describe("at the same time", () => {
    const count = rounds({ thorough: 6, else: 1 });

    test("two weakenings: one is proposed", async () => {
      const bob = await join("admin");
      for (let round = 0; round < count; round += 1) {
        const results = await Promise.allSettled([propose(ada), propose(bob)]);
        expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
        for (const result of results) {
          if (result.status === "fulfilled") {
            await ada.api.protectionChanges.withdraw(one(result.value));
          }
        }
        expect(await rules()).toMatchObject([rule]);
      }
    });

    test("an approval and a stricter rule: the rule is not lost", async () => {
      const bob = await join("admin");
      for (let round = 0; round < count; round += 1) {
        const change = await propose(ada);
        const stricter = { ...rule, approvals: 1, strategy: "manual" };
        const [approved] = await Promise.allSettled([
          approve(bob, change),
          update(bob, [stricter]),
        ]);
        const { data } = await ada.api.protectionChanges.get(one(change));
        if (approved.status === "fulfilled") expect(data.status).toBe("applied");
        else expect(data.status).toBe("superseded");
        expect(await rules()).toMatchObject([stricter]);
        // Back to the first rule.
        await approve(bob, await propose(ada, { protected_branches: [rule] }));
      }
    });

    test("two approvals and a lost role: enough people approved, or nothing changed", async () => {
      await update(ada, [{ ...rule, approvals: 2 }]);
      const [bob, eve, sue] = [await join(), await join(), await join()];
      for (let round = 0; round < count; round += 1) {
        const change = await propose(ada);
        await Promise.all(
          [approve(bob, change), approve(eve, change), setRole(bob, "viewer")].map((call) =>
            (call as Promise<unknown>).catch(() => undefined),
          ),
        );
        const { data } = await ada.api.protectionChanges.get(one(change));
        if (data.status === "applied") expect(data.approvals).toHaveLength(2);
        else {
          expect(data.approvals.map(({ by }) => by.id)).not.toContain(bob.id);
          await ada.api.protectionChanges.withdraw(one(change));
        }
        await setRole(bob, "member");
        await update(ada, [{ ...rule, approvals: 2 }]);
      }
      expect(sue.id).toBeDefined();
    });

    test("the last two approvals: the change is applied once", async () => {
      const [bob, eve] = [await join(), await join()];
      for (let round = 0; round < count; round += 1) {
        const change = await propose(ada);
        await Promise.allSettled([approve(bob, change), approve(eve, change)]);
        const applied = (await actions()).filter(
          ([action]) => action === "project.protection_applied",
        );
        expect(applied).toHaveLength(round + 1);
        await update(ada, [rule]);
      }
    });
  });
});
