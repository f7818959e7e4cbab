// Thorough: races of two server processes in rounds.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { ApiError } from "#shared/contract/client.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { queryAsOwner } from "#test/support/database/queries.js";

/** Two processes of one installation receive the requests. */
describe("concurrent answers to device logins", () => {
  let app: TestApp;
  let sibling: TestApp;
  let ann: TestPerson;
  let ben: TestPerson;
  beforeAll(async () => {
    app = await startTestApp();
    sibling = await app.sibling();
    ann = await app.person("ann");
    ben = await app.person("ben");
  });
  beforeEach(() => queryAsOwner(app, "delete from rate_limits"));
  afterAll(async () => {
    await sibling.close();
    await app.close();
  });

  const start = async () => {
    const { data } = await app.client().deviceLogin.start({ body: {} });
    return { body: { device_code: data.device_code }, params: { user_code: data.user_code } };
  };
  const outcomes = async (calls: Promise<unknown>[]): Promise<string[]> => {
    const settled = await Promise.allSettled(calls);
    return settled.map((item) =>
      item.status === "fulfilled" ? "done" : (item.reason as ApiError).code,
    );
  };
  const keysOf = async (): Promise<number> => {
    const [row] = await queryAsOwner(app, "select count(*)::int as count from api_keys");
    return Number(row?.["count"]);
  };
  const times = 20;

  test("of two approvals by two people one wins, and the key is that person's", async () => {
    for (let round = 0; round < times; round += 1) {
      const { params, body } = await start();
      const answers = await outcomes([
        ann.api.deviceLogin.approve({ params }),
        sibling.client(ben.token).deviceLogin.approve({ params }),
      ]);
      expect(answers.toSorted()).toEqual(["done", "not_found"]);
      const { data } = await sibling.client().deviceLogin.token({ body });
      expect(data.user.id).toBe(answers[0] === "done" ? ann.id : ben.id);
    }
  });

  test("of an approval and a denial one wins", async () => {
    for (let round = 0; round < times; round += 1) {
      const { params, body } = await start();
      const before = await keysOf();
      const answers = await outcomes([
        ann.api.deviceLogin.approve({ params }),
        sibling.client(ann.token).deviceLogin.deny({ params }),
      ]);
      expect(answers.toSorted()).toEqual(["device_login_answered", "done"]);
      const [fetched] = await outcomes([app.client().deviceLogin.token({ body })]);
      expect(fetched).toBe(answers[0] === "done" ? "done" : "access_denied");
      expect((await keysOf()) - before).toBe(answers[0] === "done" ? 1 : 0);
    }
  });

  test("of several fetches one gets the key", async () => {
    for (let round = 0; round < times; round += 1) {
      const { params, body } = await start();
      await ann.api.deviceLogin.approve({ params });
      const before = await keysOf();
      const answers = await outcomes(
        [app, sibling, app, sibling].map((item) => item.client().deviceLogin.token({ body })),
      );
      expect(answers.toSorted()).toEqual([
        "done",
        "expired_token",
        "expired_token",
        "expired_token",
      ]);
      expect((await keysOf()) - before).toBe(1);
    }
  });
});
