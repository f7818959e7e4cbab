// Thorough: races of writes with deactivations and of keys with roles, in rounds.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import { makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { makeServiceAccount } from "#test/support/fixtures/service-accounts.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { systemRoleIds } from "../../../db/migrate.js";

let app: TestApp;
let sibling: TestApp;
let owner: TestPerson;
let org: Organization;
beforeAll(async () => {
  app = await startTestApp();
  sibling = await app.sibling();
  owner = await app.person("Ada");
});
beforeEach(async () => {
  org = await makeOrganization(owner);
});
afterAll(async () => {
  await sibling.close();
  await app.close();
});

const params = () => ({ org_id: org.id });
const account = async (role: keyof typeof systemRoleIds = "member") => {
  const made = await makeServiceAccount(app, owner, org.id, { role: role as "member" });
  return { ...made, params: { ...params(), service_account_id: made.account.id } };
};
type Robot = Awaited<ReturnType<typeof account>>;
const join = async (role_id: string) => {
  const person = await app.person("colleague");
  const { data } = await owner.api.members.add({
    params: params(),
    body: { user_id: person.id, role_id },
  });
  return { ...person, memberId: data.id };
};
/** A member who manages service accounts, with further permissions. */
const keeper = async (permissions: string[]) => {
  const { data: role } = await owner.api.roles.create({
    params: params(),
    body: {
      name: `keeper-${permissions.length}`,
      permissions: ["org:service-accounts:*", ...permissions],
    },
  });
  return { ...(await join(role.id)), role };
};
const ended = async ({ key }: Pick<Robot, "key">) => {
  for (const process of [app, sibling]) {
    const answer = process.client(key).organizations.list({});
    await expectProblem(answer, 401, "invalid_token");
  }
};

describe("at the same time", () => {
  const rounds = 8;

  test("a key and a lower role of its maker: the key is refused or was within the role", async () => {
    for (let round = 0; round < rounds; round += 1) {
      const robot = await account("member");
      const { role, ...maker } = await keeper([
        "org:read",
        "org:members:read",
        "project:*",
        "agent:*",
      ]);
      const creating = [app, sibling].map((process) =>
        process.client(maker.token).serviceAccounts.createKey({
          params: robot.params,
          body: { name: "raced", scopes: [`org:${org.slug}:project:write`] },
        }),
      );
      const lowering = owner.api.members.update({
        params: { ...params(), member_id: maker.memberId },
        body: { role_id: systemRoleIds.viewer },
      });
      const outcomes = await Promise.allSettled([...creating, lowering]);
      expect(outcomes[2]?.status).toBe("fulfilled");
      const { data: events } = await owner.api.audit.list({ params: params() });
      // No key was created after the role was lowered. The log is newest first.
      const last = events
        .map(({ action, target }) => `${action} ${target.name}`)
        .find((event) => event.includes("raced") || event.startsWith("member.role_changed"));
      expect(last).toMatch(/^member\.role_changed/);
      for (const { status, reason } of outcomes.slice(0, 2) as PromiseRejectedResult[]) {
        if (status === "rejected") expect(reason).toMatchObject({ status: 403 });
      }
      await owner.api.members.remove({ params: { ...params(), member_id: maker.memberId } });
      await owner.api.roles.remove({ params: { ...params(), role_id: role.id } });
    }
  });

  test("a write and the deactivation: after its answer nothing is written", async () => {
    for (let round = 0; round < rounds; round += 1) {
      const robot = await account("member");
      const writing = Array.from({ length: 6 }, (_, index) =>
        makeProject({ ...owner, api: (index % 2 ? app : sibling).client(robot.key) }, org.id),
      );
      const [, ...written] = await Promise.allSettled([
        owner.api.serviceAccounts.update({ params: robot.params, body: { is_active: false } }),
        ...writing,
      ]);
      for (const { status, reason } of written as PromiseRejectedResult[]) {
        if (status === "rejected") expect(reason).toMatchObject({ status: 401 });
      }
      const { data: events } = await owner.api.audit.list({ params: params() });
      const sequence = (which: (event: (typeof events)[number]) => boolean): number =>
        events.find(which)?.sequence ?? 0;
      const deactivated = sequence(({ action }) => action === "service_account.deactivated");
      const last = sequence(({ actor }) => actor.id === robot.account.id);
      expect(last).toBeLessThan(deactivated);
      await ended(robot);
    }
  });
});
