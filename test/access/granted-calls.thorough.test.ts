// Thorough: owners and admins may make most of the calls, which takes twenty seconds for each role.
import { afterAll, beforeAll, describe, test } from "vitest";
import { startTestApp, type TestApp } from "../support/server/app.js";
import { expectGrantedCalls, manyCalls } from "../support/access/walk-calls.js";

describe("exactly the granted calls succeed", () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp();
  });
  afterAll(() => app.close());

  test.each(manyCalls)("for %s, on every call", (role) => expectGrantedCalls(app, role), 120_000);
});
