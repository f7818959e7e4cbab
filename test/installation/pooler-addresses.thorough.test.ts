import { describe, expect, onTestFinished, test } from "vitest";
import { pino } from "pino";
import type pg from "pg";
import { databaseAddress, type DatabaseAddress } from "#server/db/connection/address.js";
import { openDatabase } from "#server/db/connection/connect.js";
import { expectRevocations } from "../support/access/revocations.js";
import { hasPgBouncer, startPgBouncer } from "../support/database/pgbouncer.js";
import { databaseUrlOf } from "../support/database/queries.js";
import { roleOf, servingRole, type Role } from "../support/database/serving-role.js";
import { createTestDatabase, startTestApp } from "../support/server/app.js";

/** The way of an address: to PostgreSQL itself, or through a pooler in this mode. Null: the setting is unset. */
type Way = "direct" | "transaction" | "session" | "statement" | null;
/** Of OMOI_DATABASE_URL, OMOI_DATABASE_APP_URL and OMOI_DATABASE_DIRECT_URL. */
type Ways = readonly [Way, Way, Way];

/** Starts the poolers of an installation for the duration of a test, and returns its addresses. */
async function reach(
  owner: pg.ClientConfig,
  secret: string,
  ways: Ways,
  users: Record<string, string> = {},
): Promise<DatabaseAddress> {
  const [own, serving] = [roleOf(owner), servingRole(secret)];
  const poolers = new Map<Way, (role: Role) => pg.ClientConfig>();
  poolers.set("direct", (role) => ({ ...owner, ...role }));
  for (const mode of new Set(ways)) {
    if (mode === null || mode === "direct") continue;
    const settings = { pool_mode: mode, ...(mode === "session" && { default_pool_size: "60" }) };
    const pooler = await startPgBouncer(owner, [own, serving], settings, users);
    onTestFinished(() => pooler.stop());
    poolers.set(mode, (role) => pooler.through(role));
  }
  const urlOf = (way: Way, role: Role): string | null => {
    const through = poolers.get(way);
    return through ? databaseUrlOf({ owner: through(role) }) : null;
  };
  return databaseAddress(
    {
      dataDir: "/nowhere",
      databaseUrl: urlOf(ways[0], own),
      databaseAppUrl: urlOf(ways[1], serving),
      databaseDirectUrl: urlOf(ways[2], own),
    },
    null,
  );
}

const named = "OMOI_DATABASE_URL %s, OMOI_DATABASE_APP_URL %s, OMOI_DATABASE_DIRECT_URL %s";

describe.skipIf(!hasPgBouncer)("two processes hear each other's revocations", () => {
  test.each<Ways>([
    ["direct", "transaction", null],
    ["direct", "session", null],
    ["session", null, null],
    ["session", "transaction", null],
    ["transaction", null, "direct"],
    ["transaction", "direct", "direct"],
    ["transaction", "transaction", "direct"],
    ["transaction", "transaction", "session"],
  ])(named, async (...ways) => {
    const app = await startTestApp({}, undefined, (owner, secret) => reach(owner, secret, ways));
    const sibling = await app.sibling();
    try {
      await expectRevocations([(token) => app.client(token), (token) => sibling.client(token)]);
      expect([app.db.changes.obstacle, sibling.db.changes.obstacle]).toEqual([null, null]);
      // Locks of sessions exclude the other process, too.
      const org = "01234567-89ab-7def-8123-456789abcdef";
      await app.db.locks(org, ["held"], async () => {
        expect(await sibling.db.tryLock("held", async () => {})).toBe(false);
      });
      await expect.poll(() => sibling.db.tryLock("held", async () => {})).toBe(true);
    } finally {
      await sibling.close();
      await app.close();
    }
  });
});

describe.skipIf(!hasPgBouncer)(
  "a start without an address where sessions last names the cure",
  () => {
    const refused = async (ways: Ways, users?: Record<string, string>): Promise<string> => {
      const { owner, secret } = await createTestDatabase();
      const address = await reach(owner, secret, ways, users);
      return openDatabase(address, secret, pino({ level: "silent" })).then(
        async (db) => {
          await db.close();
          return "it was opened";
        },
        (error: Error) => `${error.name}: ${error.message}`,
      );
    };
    const direct =
      /^ConfigError: .*set OMOI_DATABASE_DIRECT_URL to the address of PostgreSQL itself/;
    const mode = /^ConfigError: .*OMOI_DATABASE_(?:APP_)?URL .*transaction or session/;

    test.each<[...Ways, RegExp]>([
      ["transaction", null, null, direct],
      ["transaction", "direct", null, direct],
      ["statement", null, null, direct],
      ["direct", null, "transaction", direct],
      ["direct", "direct", "transaction", direct],
      ["transaction", "transaction", "transaction", direct],
      ["direct", null, "statement", direct],
      ["direct", "statement", null, mode],
      ["statement", null, "direct", mode],
    ])(named, async (url, app, own, message) => {
      expect(await refused([url, app, own])).toMatch(message);
    });

    test("a pooler in session mode that shares the connections of the serving role", async () => {
      const users = { omoi_app: "pool_mode=transaction" };
      expect(await refused(["session", null, null], users)).toMatch(direct);
    });

    test("the serving role cannot sign in at the address of the owner", async () => {
      const { owner, secret } = await createTestDatabase();
      const { app, ...address } = await reach(owner, secret, ["direct", "transaction", null]);
      const pooler = await startPgBouncer(owner, [roleOf(owner)], {
        pool_mode: "session",
        default_pool_size: "60",
      });
      onTestFinished(() => pooler.stop());
      const apart = { ...address, owner: pooler.through(roleOf(owner)), app };
      const message = await openDatabase(apart, secret, pino({ level: "silent" })).then(
        () => "it was opened",
        (error: Error) => `${error.name}: ${error.message}`,
      );
      expect(message).toMatch(
        /^ConfigError: The database role omoi_app cannot sign in at the address of OMOI_DATABASE_URL .*OMOI_DATABASE_DIRECT_URL/,
      );
    });
  },
);
