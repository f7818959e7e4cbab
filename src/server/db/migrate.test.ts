import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestApp, type TestApp } from "#test/support/server/app.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { ConfigError } from "#shared/node/config-error.js";

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
  const refusal = async (): Promise<string> => {
    const error: unknown = await app.sibling().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as Error).message).not.toContain("\n");
    return (error as Error).message;
  };

  test("of a newer or different Omoi are rejected in one line that names them", async () => {
    await queryAsOwner(app, "insert into schema_migrations values ('9999_future.sql', 'x')");
    expect(await refusal()).toContain("9999_future.sql");
    await queryAsOwner(app, "delete from schema_migrations where name = '9999_future.sql'");
    const [first] = await applied();
    await queryAsOwner(app, "update schema_migrations set checksum = 'x' where name = $1", [
      first?.name,
    ]);
    expect(await refusal()).toContain(first?.name);
    await queryAsOwner(app, "update schema_migrations set checksum = $2 where name = $1", [
      first?.name,
      first?.checksum,
    ]);
    await (await app.sibling()).close();
  });

  test("wait until the servers of an earlier version have stopped", async () => {
    const [last] = (await applied()).toReversed();
    await queryAsOwner(app, "delete from schema_migrations where name = $1", [last?.name]);
    // The application renews its lease.
    expect(await refusal()).toContain(
      "This version changes the database, which the server default of another version uses; stop it",
    );
    await queryAsOwner(app, "insert into schema_migrations values ($1, $2)", [
      last?.name,
      last?.checksum,
    ]);
    await (await app.sibling()).close();
  });

  test("reset the system roles to their definition", async () => {
    const roles = () =>
      queryAsOwner(
        app,
        "select name, description, permissions from roles where org_id is null order by id",
      );
    const before = await roles();
    await queryAsOwner(
      app,
      "update roles set permissions = '{*:*}', description = 'x' where name = 'viewer'",
    );
    await (await app.sibling()).close();
    expect(await roles()).toEqual(before);
  });
});
