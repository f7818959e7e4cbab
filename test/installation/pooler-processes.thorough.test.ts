import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { expectRevocations, signUp, type Connect } from "../support/access/revocations.js";
import { startDatabaseProxy, type DatabaseProxy } from "../support/database/database-proxy.js";
import { hasPgBouncer, startPgBouncer, type PgBouncer } from "../support/database/pgbouncer.js";
import { databaseUrlOf, queryAsAdmin } from "../support/database/queries.js";
import { servingRole } from "../support/database/serving-role.js";
import { createTestDatabase, expectProblem } from "../support/server/app.js";
import { omoi, type CliResult } from "../support/server/cli.js";
import { removeDataFolder } from "../support/server/data-folder.js";
import { clientOf, startServer, type ServerProcess } from "../support/server/server-process.js";

interface Running {
  process: ServerProcess;
  url: string;
  connect: Connect;
}

/** Starts two processes on one database and data folder, each with its own addresses of the database. */
async function startPair(
  secret: string,
  addresses: readonly Record<string, string>[],
): Promise<{
  servers: [Running, Running];
  /** Runs a command of the operator. */
  run: (...args: string[]) => Promise<CliResult>;
  stop: () => Promise<void>;
}> {
  const dataDir = await mkdtemp(join(tmpdir(), "omoi-data-"));
  const servers: Running[] = [];
  for (const address of addresses) {
    const process = startServer({ ...address, OMOI_SECRET: secret, OMOI_DATA_DIR: dataDir });
    const url = await process.ready;
    servers.push({ process, url, connect: (token) => clientOf(url, token) });
  }
  return {
    servers: servers as [Running, Running],
    run: (...args) =>
      omoi({ ...addresses[0], OMOI_SECRET: secret, OMOI_DATA_DIR: dataDir }, "admin", ...args),
    stop: async () => {
      for (const { process } of servers) process.process.kill("SIGTERM");
      await Promise.all(servers.map(({ process }) => process.ended));
      await removeDataFolder(dataDir);
    },
  };
}

interface Readiness {
  status: string;
  database: boolean;
  changes: boolean;
  reason?: string;
}
async function readiness({ url }: Running): Promise<[number, Readiness]> {
  const response = await fetch(`${url}/readyz`);
  return [response.status, (await response.json()) as Readiness];
}
const expectReady = (server: Running): Promise<void> =>
  expect.poll(async () => (await readiness(server))[0]).toBe(200);

/** Creates a key and lets both processes remember it. */
async function knownKey(
  [here, there]: [Running, Running],
  token: string,
): Promise<{ id: string; at: (server: Running) => ReturnType<Connect> }> {
  const { data } = await here.connect(token).apiKeys.create({ body: { name: "known" } });
  const at = (server: Running) => server.connect(data.key as string);
  await at(here).auth.me();
  await at(there).auth.me();
  return { id: data.id, at };
}

describe.skipIf(!hasPgBouncer)(
  "two processes whose serving role alone is behind pgbouncer in transaction mode",
  () => {
    let pooler: PgBouncer;
    let servers: [Running, Running];
    let stop: () => Promise<void>;
    beforeAll(async () => {
      const { owner, secret } = await createTestDatabase();
      const role = servingRole(secret);
      pooler = await startPgBouncer(owner, [role], { max_prepared_statements: "100" });
      const address = {
        OMOI_DATABASE_URL: databaseUrlOf({ owner }),
        OMOI_DATABASE_APP_URL: databaseUrlOf({ owner: pooler.through(role) }),
      };
      ({ servers, stop } = await startPair(secret, [address, address]));
    }, 300_000);
    afterAll(async () => {
      await stop?.();
      await pooler?.stop();
    });

    test("what one revokes opens nothing at the other", async () => {
      await expectRevocations([servers[0].connect, servers[1].connect]);
    }, 60_000);

    test("without the pooler they answer from caches for seconds only, and are not ready", async () => {
      const { token } = await signUp(servers[0].connect);
      const key = await knownKey(servers, token);
      await pooler.kill();
      const codes = () =>
        Promise.all(
          servers.map((server) =>
            key
              .at(server)
              .auth.me()
              .then(
                () => "answered",
                ({ code }: { code: string }) => code,
              ),
          ),
        );
      await expect.poll(codes).toEqual(["unavailable", "unavailable"]);
      for (const server of servers) {
        const [status, { changes, reason }] = await readiness(server);
        expect([status, changes]).toEqual([503, false]);
        expect(reason).toBeTruthy();
      }
      await pooler.start();
      for (const server of servers) await expectReady(server);
      await expectRevocations([servers[1].connect, servers[0].connect]);
    }, 180_000);
  },
);

describe.skipIf(!hasPgBouncer)("a process that does not hear changes", () => {
  let owner: pg.ClientConfig;
  let way: DatabaseProxy;
  let pooler: PgBouncer;
  let servers: [Running, Running];
  let run: (...args: string[]) => Promise<CliResult>;
  let stop: () => Promise<void>;
  let token: string;
  beforeAll(async () => {
    const database = await createTestDatabase();
    ({ owner } = database);
    way = await startDatabaseProxy(owner);
    pooler = await startPgBouncer(owner, [servingRole(database.secret)]);
    const url = { OMOI_DATABASE_URL: databaseUrlOf({ owner }) };
    // The second process has sessions at another address than transactions.
    const apart = { ...url, OMOI_DATABASE_DIRECT_URL: databaseUrlOf({ owner: way.config }) };
    ({ servers, run, stop } = await startPair(database.secret, [url, apart]));
    ({ token } = await signUp(servers[0].connect));
  }, 300_000);
  afterAll(async () => {
    await stop?.();
    await way?.cut();
    await pooler?.stop();
  });

  /** Lets the second process lose its connection for changes without a sign, for the duration of the work. */
  async function whileLost(work: () => Promise<void>): Promise<void> {
    way.stall();
    await queryAsAdmin(
      { owner },
      `select pg_terminate_backend(pid) from pg_stat_activity
        where application_name = 'omoi changes' and datname = current_database()`,
    );
    await work();
    await way.cut();
    await way.restore();
    for (const server of servers) await expectReady(server);
  }

  test("because its connection was lost without a sign has no caches when a revocation returns", async () => {
    const [here, there] = servers;
    const key = await knownKey(servers, token);
    await whileLost(async () => {
      await here.connect(token).apiKeys.revoke({ params: { key_id: key.id } });
      await expectProblem(key.at(there).auth.me(), 401, "invalid_token");
    });
  }, 180_000);

  test("has no caches when an operator's command returns", async () => {
    const person = await signUp(servers[0].connect);
    const key = await knownKey(servers, person.token);
    await whileLost(async () => {
      expect((await run("user", "disable", person.email)).code).toBe(0);
      await expectProblem(key.at(servers[1]).auth.me(), 401, "invalid_token");
    });
  }, 180_000);

  test("because it was stopped does not answer from its caches when it continues", async () => {
    const [here, there] = servers;
    const key = await knownKey(servers, token);
    there.process.process.kill("SIGSTOP");
    try {
      await here.connect(token).apiKeys.revoke({ params: { key_id: key.id } });
      const late = expectProblem(key.at(there).auth.me(), 401, "invalid_token");
      there.process.process.kill("SIGCONT");
      await late;
    } finally {
      there.process.process.kill("SIGCONT");
    }
    await expectReady(there);
  }, 180_000);

  test("because a pooler came between has no caches, says so, and delays no revocation for long", async () => {
    const [here, there] = servers;
    const key = await knownKey(servers, token);
    await way.cut();
    way.leadTo(pooler.through({ user: "", password: "" }));
    await way.restore();
    const cure = "set OMOI_DATABASE_DIRECT_URL to the address of PostgreSQL itself";
    await expect.poll(async () => (await readiness(there))[1].reason).toContain(cure);
    expect((await readiness(there))[0]).toBe(503);
    expect((await readiness(here))[0]).toBe(200);
    await expect.poll(() => there.process.stderr()).toContain(cure);
    // Without a notification, caches do not learn of it.
    await queryAsAdmin(
      { owner },
      `set local session_replication_role = replica;
       update api_keys set revoked_at = now() where id = '${key.id}'`,
    );
    expect((await key.at(here).auth.me()).status).toBe(200);
    await expectProblem(key.at(there).auth.me(), 401, "invalid_token");

    await way.cut();
    way.leadTo(owner);
    await way.restore();
    await expectReady(there);
    await expectRevocations([here.connect, there.connect]);
  }, 180_000);

  test("because it was killed leaves no lease behind", async () => {
    const leases = () =>
      queryAsAdmin({ owner }, "select from cache_leases where process_id <> token");
    expect(await leases()).toHaveLength(2);
    servers[1].process.process.kill("SIGKILL");
    await expect.poll(async () => (await leases()).length).toBe(1);
  }, 120_000);
});
