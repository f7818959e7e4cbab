// Thorough: every way in which a proposed change loses its ground.
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { ProtectionChange } from "#shared/api/code/protection-changes.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Client } from "#shared/contract/client.js";
import { systemRoleIds } from "#server/db/migrate.js";
import {
  expectProblem,
  sharedTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { makeOrganization, makeProject } from "#test/support/fixtures/factories.js";

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

  test("are withdrawn when their proposer may no longer change the protection", async () => {
    const bob = await join("admin");
    const change = await propose(bob);
    await setRole(bob, "member");
    expect(await approve(ada, change)).toMatchObject({
      status: "withdrawn",
      reason: "The person who proposed it may no longer change the protection.",
    });
    expect(await rules()).toMatchObject([rule]);
  });

  test.each([
    ["protected branches", () => update(ada, [{ ...rule, approvals: 2 }])],
    ["a check", () => setCheck(ada, "npm", "lint")],
    [
      "a deleted check",
      () => ada.api.mergeQueue.deleteCheck({ params: { ...params(), name: "unused" } }),
    ],
  ])("are superseded by another change: %s", async (_title, item) => {
    const bob = await join("admin");
    await setCheck(ada, "true", "unused");
    const change = await propose(ada);
    await item();
    const { data } = await ada.api.protectionChanges.get(one(change));
    expect(data.status).toBe("superseded");
    await expectProblem(approve(bob, change), 409, "protection_change_ended");
    expect(await rules()).not.toEqual([]);
  });
});
