// Thorough: a race of several servers that start.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { queryAsOwner } from "#test/support/database/queries.js";
import { startTestApp, type TestApp } from "#test/support/server/app.js";

describe("migrations", () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp();
  });
  afterAll(() => app.close());
  const applied = () =>
    queryAsOwner<{ name: string; checksum: string }>(
      app,
      "select name, checksum, applied_at from schema_migrations order by name",
    );

  test("are applied once by concurrent starts", async () => {
    const before = await applied();
    const siblings = await Promise.all(Array.from({ length: 4 }, () => app.sibling()));
    await Promise.all(siblings.map((sibling) => sibling.close()));
    expect(await applied()).toEqual(before);
    expect(before.length).toBeGreaterThan(0);
  });
});
