// Thorough: races of two server processes in rounds.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ApiError } from "#shared/contract/client.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { makeOrganization } from "#test/support/fixtures/factories.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { systemRoleIds } from "../../../db/migrate.js";

describe("concurrent invitations in two server processes", () => {
  let app: TestApp;
  let sibling: TestApp;
  let owner: TestPerson;
  let person: TestPerson;
  let params: { org_id: string };
  beforeAll(async () => {
    app = await startTestApp();
    sibling = await app.sibling();
    owner = await app.person("owner");
  });
  beforeEach(async () => {
    person = await app.person("person");
    params = { org_id: (await makeOrganization(owner)).id };
  });
  afterAll(async () => {
    await sibling.close();
    await app.close();
  });

  /** Alternates between the processes. */
  const api = (who: TestPerson, turn: number) => (turn % 2 === 0 ? app : sibling).client(who.token);
  const invite = (turn = 0, email = person.email) =>
    api(owner, turn).invitations.create({
      params,
      body: { email, role_id: systemRoleIds.member },
    });
  const invited = async () => {
    const { data } = await invite();
    const token = data.invite_url?.split("/").at(-1) as string;
    return { at: { params: { ...params, invitation_id: data.id } }, token };
  };
  const accept = (token: string, turn: number) =>
    api(person, turn).invitations.accept({ params: { token } });
  const members = async () => (await owner.api.members.list({ params })).data;
  /** Returns the number of successes and the distinct error codes. */
  const outcomeOf = async (calls: Promise<unknown>[]) => {
    const settled = await Promise.allSettled(calls);
    const refused = settled.flatMap((outcome) =>
      outcome.status === "rejected" ? [outcome.reason as unknown] : [],
    );
    return {
      done: settled.length - refused.length,
      codes: [
        ...new Set(
          refused.map((error) => (error instanceof ApiError ? error.code : String(error))),
        ),
      ],
    };
  };

  test("of twenty for one address one is created", async () => {
    const calls = Array.from({ length: 20 }, (_, turn) => invite(turn));
    expect(await outcomeOf(calls)).toEqual({ done: 1, codes: ["already_invited"] });
    expect((await owner.api.invitations.list({ params })).data).toHaveLength(1);
    const hits = await queryAsOwner(app, "select hits from rate_limits where bucket = $1", [
      `invitations to ${person.email}`,
    ]);
    expect(hits).toEqual([{ hits: 1 }]);
  });

  test("of many from many organizations to one mailbox five are sent", async () => {
    const outcome = await outcomeOf(
      Array.from({ length: 8 }, async (_, turn) => {
        const { id } = await makeOrganization(owner);
        const body = { email: person.email, role_id: systemRoleIds.viewer };
        return api(owner, turn).invitations.create({ params: { org_id: id }, body });
      }),
    );
    expect(outcome).toEqual({ done: 5, codes: ["rate_limited"] });
  });

  test("accepting ten times creates one membership", async () => {
    const { token } = await invited();
    const calls = Array.from({ length: 10 }, (_, turn) => accept(token, turn));
    expect(await outcomeOf(calls)).toEqual({ done: 1, codes: ["invitation_not_pending"] });
    expect((await members()).filter(({ user_id }) => user_id === person.id)).toHaveLength(1);
  });

  test("of accepting and revoking one succeeds", async () => {
    for (let round = 0; round < 6; round += 1) {
      params = { org_id: (await makeOrganization(owner)).id };
      person = await app.person();
      const { at, token } = await invited();
      const [accepted, revoked] = await Promise.allSettled([
        accept(token, round),
        api(owner, round + 1).invitations.revoke(at),
      ]);
      expect([accepted.status, revoked.status].toSorted()).toEqual(["fulfilled", "rejected"]);
      const loser = accepted.status === "rejected" ? accepted : (revoked as PromiseRejectedResult);
      expect((loser.reason as ApiError).code).toBe("invitation_not_pending");
      expect(await members()).toHaveLength(accepted.status === "fulfilled" ? 2 : 1);
    }
  });

  test("accepting while being added creates one membership without an error", async () => {
    for (let round = 0; round < 6; round += 1) {
      params = { org_id: (await makeOrganization(owner)).id };
      person = await app.person();
      const { token } = await invited();
      const body = { user_id: person.id, role_id: systemRoleIds.viewer };
      const outcome = await outcomeOf([
        accept(token, round),
        api(owner, round + 1).members.add({ params, body }),
      ]);
      expect(outcome.done).toBeGreaterThanOrEqual(1);
      expect(["already_member", undefined]).toContain(outcome.codes[0]);
      expect(await members()).toHaveLength(2);
    }
  });

  test("of two concurrent resends the newest link works", async () => {
    const { at } = await invited();
    const sent = await Promise.all([0, 1].map((turn) => api(owner, turn).invitations.resend(at)));
    const outcome = await outcomeOf(
      sent.map(({ data }, turn) => accept(data.invite_url?.split("/").at(-1) as string, turn)),
    );
    expect(outcome).toEqual({ done: 1, codes: ["not_found"] });
  });

  test("deleting the role while inviting leaves no invitation without a role", async () => {
    for (let round = 0; round < 6; round += 1) {
      const body = { name: `guest-${round}`, permissions: ["org:read" as const] };
      const { data: role } = await owner.api.roles.create({ params, body });
      const [made, deleted] = await Promise.allSettled([
        api(owner, round).invitations.create({
          params,
          body: { email: `guest-${round}@example.com`, role_id: role.id },
        }),
        api(owner, round + 1).roles.remove({ params: { ...params, role_id: role.id } }),
      ]);
      expect([made.status, deleted.status].toSorted()).toEqual(["fulfilled", "rejected"]);
    }
    const { data } = await owner.api.invitations.list({ params });
    expect(data.filter(({ role_id }) => role_id === null)).toEqual([]);
  });
});
