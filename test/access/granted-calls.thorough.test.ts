// Thorough: a walk takes ten to twenty seconds for each role.
import { afterAll, beforeAll, describe, test } from "vitest";
import { systemRoles, type SystemRole } from "#shared/permissions.js";
import { startTestApp, type TestApp } from "../support/server/app.js";
import { expectGrantedCalls, gateRole } from "../support/access/walk-calls.js";

describe("exactly the granted calls succeed", () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp();
  });
  afterAll(() => app.close());

  test.each((Object.keys(systemRoles) as SystemRole[]).filter((role) => role !== gateRole))(
    "for %s, on every call",
    (role) => expectGrantedCalls(app, role),
    120_000,
  );
});
