import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sql } from "drizzle-orm";
import { pino } from "pino";
import type pg from "pg";
import type { DatabaseAddress } from "#server/db/connection/address.js";
import { openDatabase } from "#server/db/connection/connect.js";
import {
  createTestDatabase,
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "../support/server/app.js";
import {
  commitFiles,
  makeOrganization,
  makeProject,
  makeWorkspace,
  mergeIntoBase,
} from "../support/fixtures/factories.js";
import { hasPgBouncer, startPgBouncer, type PgBouncer } from "../support/database/pgbouncer.js";
import { roleOf, servingRole } from "../support/database/serving-role.js";

const silent = pino({ level: "silent" });

/** Starts a pooler in front of a database; returns both URLs. */
async function poolerBefore(
  owner: pg.ClientConfig,
  secret: string,
  settings?: Record<string, string>,
): Promise<{ pooler: PgBouncer; address: DatabaseAddress }> {
  const roles = [servingRole(secret), roleOf(owner)];
  const pooler = await startPgBouncer(owner, roles, settings);
  return {
    pooler,
    address: { owner, pooler: pooler.through(roleOf(owner)), app: null },
  };
}

describe.skipIf(!hasPgBouncer).each([
  ["with prepared statements", { max_prepared_statements: "100" }],
  ["without prepared statements", { max_prepared_statements: "0" }],
])("behind pgbouncer in transaction mode, %s", (_name, settings) => {
  let pooler: PgBouncer;
  let app: TestApp;
  let sibling: TestApp;
  const people: TestPerson[] = [];
  beforeAll(async () => {
    app = await startTestApp({}, undefined, async (direct, secret) => {
      const made = await poolerBefore(direct, secret, settings);
      ({ pooler } = made);
      return made.address;
    });
    sibling = await app.sibling();
    people.push(await app.person("one"), await app.person("other"));
  });
  afterAll(async () => {
    await sibling?.close();
    await app?.close();
    await pooler?.stop();
  });

  test("serves organizations side by side, without access to each other's rows", async () => {
    const made = await Promise.all(
      people.map(async (person) => {
        const org = await makeOrganization(person);
        const project = await makeProject(person, org.id);
        return { person, org, project };
      }),
    );
    await Promise.all(
      made.flatMap(({ person, project }) =>
        Array.from({ length: 3 }, async (_, index) => {
          const { workspace } = await makeWorkspace(person, project.id);
          await commitFiles(person, workspace, { [`file-${index}.txt`]: "text\n" });
          await mergeIntoBase(person, workspace);
        }),
      ),
    );
    const seen = await Promise.all(
      Array.from({ length: 40 }, async (_, index) => {
        const { person, org } = made[index % 2] as (typeof made)[number];
        const { data } = await person.api.organizations.list({});
        const rows = await app.db.tenant(org.id, (tx) =>
          tx.execute(sql`select distinct org_id from workspace_commits`),
        );
        return data.map(({ id }) => id).join() === org.id &&
          rows.rows.every(({ org_id }) => org_id === org.id)
          ? "own"
          : "foreign";
      }),
    );
    expect(new Set(seen)).toEqual(new Set(["own"]));
    const [{ person, org }, other] = made as [(typeof made)[number], (typeof made)[number]];
    await expectProblem(
      person.api.organizations.get({ params: { org_id: other.org.id } }),
      404,
      "not_found",
    );
    expect((await person.api.organizations.get({ params: { org_id: org.id } })).data.id).toBe(
      org.id,
    );
  });

  test("a revoked key is rejected in another process", async () => {
    const owner = people[0] as TestPerson;
    const { data } = await owner.api.apiKeys.create({ body: { name: "short-lived" } });
    const elsewhere = sibling.client(data.key as string);
    expect((await elsewhere.auth.me()).data.id).toBe(owner.id);
    await owner.api.apiKeys.revoke({ params: { key_id: data.id } });
    await expectProblem(elsewhere.auth.me(), 401, "invalid_token");
  });

  test("locks exclude other processes", async () => {
    let inside = 0;
    let most = 0;
    const org = "01234567-89ab-7def-8123-456789abcdef";
    await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        (index % 2 === 0 ? app : sibling).db.locks(org, ["one"], async () => {
          inside += 1;
          most = Math.max(most, inside);
          await new Promise((resolve) => setImmediate(resolve));
          inside -= 1;
        }),
      ),
    );
    expect(most).toBe(1);
  });

  test("a statement across organizations is one transaction and one round trip", async () => {
    /** The queries beyond one for each transaction. */
    const more = async (): Promise<number> => {
      const idle = await quietCounts();
      for (let count = 0; count < 50; count += 1) {
        const { rows } = await app.db.systemPool.query({
          name: "is this across organizations",
          text: "select app_is_system() as yes, $1::int as count",
          values: [count],
        });
        expect(rows).toEqual([{ yes: true, count }]);
      }
      const { transactions, queries } = await pooler.counts();
      // The job queue polls meanwhile, with one query each time.
      const others = transactions - idle.transactions - 50;
      expect(others).toBeGreaterThanOrEqual(0);
      return queries - idle.queries - 50 - others;
    };
    // Periodic work may have had a transaction of several queries meanwhile.
    await expect.poll(more).toBe(0);
  });

  /** The counts at a moment without a transaction of several queries. */
  async function quietCounts(): Promise<{ transactions: number; queries: number }> {
    for (;;) {
      const before = await pooler.counts();
      await new Promise((resolve) => setTimeout(resolve, 200));
      const after = await pooler.counts();
      const more = after.queries - before.queries;
      if (more === after.transactions - before.transactions) return after;
    }
  }
});

describe.skipIf(!hasPgBouncer)("a configuration that cannot serve is rejected at the start", () => {
  const refused = async (address: DatabaseAddress, secret: string): Promise<string> =>
    openDatabase(address, secret, silent).then(
      async (db) => {
        await db.close();
        throw new Error("it was opened");
      },
      (error: Error) => `${error.name}: ${error.message}`,
    );

  test("a pooler in transaction mode without a direct address", async () => {
    const { owner, secret } = await createTestDatabase();
    const { pooler } = await poolerBefore(owner, secret);
    const through = pooler.through(roleOf(owner));
    expect(await refused({ owner: through, app: null }, secret)).toMatch(
      /^ConfigError: .*OMOI_DATABASE_DIRECT_URL/,
    );
    await pooler.stop();
  });

  test("but not one in session mode", async () => {
    const { owner, secret } = await createTestDatabase();
    const session = { pool_mode: "session", default_pool_size: "60" };
    const { pooler } = await poolerBefore(owner, secret, session);
    const through = pooler.through(roleOf(owner));
    const db = await openDatabase({ owner: through, app: null }, secret, silent);
    await db.close();
    await pooler.stop();
  });

  test("a pooler in statement mode", async () => {
    const { owner, secret } = await createTestDatabase();
    const { pooler, address } = await poolerBefore(owner, secret, { pool_mode: "statement" });
    expect(await refused(address, secret)).toMatch(/^ConfigError: .*transaction or session mode/);
    await pooler.stop();
  });

  test("a pooler that does not know the serving role", async () => {
    const { owner, secret } = await createTestDatabase();
    const pooler = await startPgBouncer(owner, [roleOf(owner)]);
    const address = { owner, pooler: pooler.through(roleOf(owner)), app: null };
    expect(await refused(address, secret)).toMatch(/^ConfigError: .*OMOI_DATABASE_APP_URL/);
    await pooler.stop();
  });
});
