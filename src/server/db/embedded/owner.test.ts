import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { databaseAddress } from "../connection/address.js";
import { openDatabase } from "../connection/connect.js";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "./embedded.js";

const log = pino({ level: "silent" });
const urls = {
  dataDir: tmpdir(),
  databaseUrl: null,
  databaseDirectUrl: null,
  databaseAppUrl: null,
};
let folder: string;
let postgres: EmbeddedPostgres;

const start = () =>
  startEmbeddedPostgres({
    dataDir: join(folder, "postgres"),
    uid: 60_859,
    settings: { fsync: "off" },
  });
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "omoi-owner-"));
  await chmod(folder, 0o755);
  postgres = await start();
});
afterAll(async () => {
  await postgres.stop();
  await rm(folder, { recursive: true, force: true });
});

async function asSuperuser<Row extends pg.QueryResultRow>(text: string): Promise<Row[]> {
  const { host, port, user, database } = postgres;
  const client = new pg.Client({ host, port, user, database });
  await client.connect();
  try {
    return (await client.query<Row>(text)).rows;
  } finally {
    await client.end();
  }
}

/** Serves once and returns the owner's privileges. */
async function serve(secret: string): Promise<void> {
  const db = await openDatabase(databaseAddress(urls, postgres), secret, log);
  const { rows } = await db.systemPool.query("select name from roles where org_id is null");
  expect(rows.length).toBeGreaterThan(3);
  await db.close();
}

/** The owners of all objects in the database, except PostgreSQL's own. */
const OWNERS = `
  select distinct pg_get_userbyid(owner) as owner from (
    select relowner as owner, relnamespace as space from pg_class
    union all select proowner, pronamespace from pg_proc
    union all select typowner, typnamespace from pg_type
    union all select nspowner, oid from pg_namespace where nspname <> 'public'
  ) as object join pg_namespace n on n.oid = space
  where nspname !~ '^pg_' and nspname <> 'information_schema'
  union select pg_get_userbyid(datdba) from pg_database where datname = current_database()`;

test("an unprivileged role owns the embedded database", async () => {
  await serve("the first secret");
  expect(await asSuperuser(OWNERS)).toEqual([{ owner: "omoi_owner" }]);
  expect(
    await asSuperuser(
      "select rolsuper, rolbypassrls, rolcreatedb, rolcreaterole from pg_roles where rolname = 'omoi_owner'",
    ),
  ).toEqual([{ rolsuper: false, rolbypassrls: false, rolcreatedb: false, rolcreaterole: true }]);
});

test("takes over objects that version 0.1 created as superuser", async () => {
  await asSuperuser(`reassign owned by omoi_owner to postgres; drop owned by omoi_owner;
    revoke omoi_app from omoi_owner; drop role omoi_owner`);
  expect(await asSuperuser(OWNERS)).toEqual([{ owner: "postgres" }]);
  await postgres.stop();
  postgres = await start();
  await serve("the first secret");
  expect(await asSuperuser(OWNERS)).toEqual([{ owner: "omoi_owner" }]);
  // A second start changes nothing.
  await postgres.stop();
  postgres = await start();
  await serve("the first secret");
});
