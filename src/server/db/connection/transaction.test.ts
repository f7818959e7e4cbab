import { sql } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { startTestApp, type TestApp } from "#test/support/server/app.js";
import { makeOrganization } from "#test/support/fixtures/factories.js";
import { systemOrigin } from "../audit/audit.js";
import type { Queryable } from "../queryable.js";

describe("a read pipelined with an organization's lock", () => {
  let app: TestApp;
  let sibling: TestApp;
  let orgId: string;
  beforeAll(async () => {
    app = await startTestApp();
    sibling = await app.sibling();
    orgId = (await makeOrganization(await app.person("owner"))).id;
  });
  afterAll(async () => {
    await sibling.close();
    await app.close();
  });

  const nameOf = async (tx: Queryable): Promise<string | undefined> =>
    (await tx.execute<{ name: string }>(sql`select name from organizations`)).rows[0]?.name;
  const rename = (tx: Queryable, name: string) =>
    tx.execute(sql`update organizations set name = ${name}`);
  const waiters = () =>
    app.db.withSystem("test", async (db) => {
      const { rowCount } = await db.execute(
        sql`select from pg_locks where locktype = 'advisory' and not granted
          and database = (select oid from pg_database where datname = current_database())`,
      );
      return rowCount;
    });

  test.each(["change", "write"] as const)(
    "sees commits in a %s that were made while it waited",
    async (kind) => {
      const seen: (string | undefined)[] = [];
      const see = async (_tx: Queryable, name: string | undefined) => seen.push(name);
      let waiting: Promise<unknown> | undefined;
      await app.db.change(orgId, systemOrigin, async (tx) => {
        // The work begins beside its transaction: once a statement has run, the lock is held.
        await nameOf(tx);
        waiting =
          kind === "write"
            ? sibling.db.write(orgId, see, nameOf)
            : sibling.db.change(orgId, systemOrigin, (own, _audit, name) => see(own, name), nameOf);
        await expect.poll(waiters).toBe(1);
        await rename(tx, `Renamed before a ${kind}`);
      });
      await waiting;
      expect(seen).toEqual([`Renamed before a ${kind}`]);
    },
  );

  test("is rolled back with its work when a statement sent with the commit fails", async () => {
    const writing = app.db.write(orgId, async (tx, _first, last) => {
      await rename(tx, "Half done");
      last.push({ text: "select 1 / 0" });
    });
    await expect(writing).rejects.toMatchObject({ code: "22012" });
    expect(await app.db.read(orgId, nameOf)).not.toBe("Half done");
  });

  const endWaiters = () =>
    app.db.withSystem("test", (db) =>
      db.execute(sql`select pg_terminate_backend(pid) from pg_locks
        where locktype = 'advisory' and not granted
          and database = (select oid from pg_database where datname = current_database())`),
    );

  test("does nothing when the transaction cannot begin", async () => {
    const before = await app.db.read(orgId, nameOf);
    const failing = app.db.change(orgId, systemOrigin, async (held) => {
      await nameOf(held);
      const other = sibling.db.change(orgId, systemOrigin, (tx) => rename(tx, "Not begun"));
      let failed = false;
      other.catch(() => (failed = true));
      await expect.poll(waiters).toBe(1);
      // Each attempt loses its connection.
      await expect.poll(() => endWaiters().then(() => failed)).toBe(true);
      await expect(other).rejects.toThrow();
      return nameOf(held);
    });
    expect(await failing).toBe(before);
    expect(await sibling.db.read(orgId, nameOf)).toBe(before);
  });

  test("begins again when its connection is lost before the commit", async () => {
    let other: Promise<unknown> | undefined;
    await app.db.change(orgId, systemOrigin, async (held) => {
      await nameOf(held);
      other = sibling.db.change(orgId, systemOrigin, (tx) => rename(tx, "Begun again"));
      await expect.poll(waiters).toBe(1);
      await endWaiters();
      await expect.poll(waiters).toBe(1);
    });
    await other;
    expect(await sibling.db.read(orgId, nameOf)).toBe("Begun again");
  });

  test("aborts the transaction before the work when it rejects", async () => {
    const work = vi.fn(async () => {});
    const refuse = async (tx: Queryable): Promise<never> => {
      await rename(tx, "Refused");
      throw new Error("refused");
    };
    await expect(app.db.change(orgId, systemOrigin, work, refuse)).rejects.toThrow("refused");
    expect(work).not.toHaveBeenCalled();
    expect(await app.db.read(orgId, nameOf)).not.toBe("Refused");
  });
});
