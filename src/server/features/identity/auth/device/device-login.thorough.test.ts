// Thorough: a hundred wrong codes.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startTestApp, type TestApp } from "#test/support/server/app.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { send } from "#test/support/http/raw-request.js";

describe("limits of device logins", () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp({ OMOI_TRUSTED_PROXIES: "127.0.0.1", OMOI_MAX_KEY_DAYS: "30" });
  });
  beforeEach(() => queryAsOwner(app, "delete from rate_limits"));
  afterAll(() => app.close());

  test("a network has a hundred wrong codes over all persons", async () => {
    const from = { headers: { "x-forwarded-for": "203.0.113.5" } };
    const statuses = [];
    for (let person = 0; person < 11; person += 1) {
      const { token } = await app.person();
      for (let count = 0; count < 19; count += 1) {
        const path = "/api/v1/auth/device/BBBB-BBBB/deny";
        statuses.push((await send(app, "POST", path, { ...from, token })).status);
      }
    }
    expect(statuses.slice(0, 100)).toEqual(Array.from({ length: 100 }, () => 404));
    expect(statuses).toContain(429);
  });
});
