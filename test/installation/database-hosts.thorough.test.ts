import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { addressFromUrl } from "#server/db/connection/address.js";
import { DatabaseClient, DatabasePool } from "#server/db/hosts/database-client.js";
import { ServerHistory } from "#server/db/hosts/server-history.js";
import {
  startReplicatedPostgres,
  type PostgresNode,
  type ReplicatedPostgres,
} from "../support/database/replicated-postgres.js";
import { removeDataFolder } from "../support/server/data-folder.js";
import { startServer } from "../support/server/server-process.js";

let postgres: ReplicatedPostgres;
let primary: PostgresNode;
let standby: PostgresNode;
beforeAll(async () => {
  postgres = await startReplicatedPostgres(false);
  [primary, standby] = postgres.nodes;
}, 60_000);
afterAll(() => postgres?.stop());

/** Connects by an address and returns the port of the server. */
async function portOf(url: string, history = new ServerHistory()): Promise<number> {
  const client = new DatabaseClient(addressFromUrl(url, "OMOI_DATABASE_URL", history));
  await client.connect();
  const { rows } = await client.query<{ port: string }>("select current_setting('port') as port");
  await client.end();
  return Number(rows[0]?.port);
}

test("connections go to the server that accepts writes, wherever it is listed", async () => {
  expect(await portOf(postgres.url([primary, standby]))).toBe(primary.port);
  expect(await portOf(postgres.url([standby, primary]))).toBe(primary.port);
});

test("a server that never answers, and a name that does not exist, do not prevent a connection", async () => {
  const silent = createServer().listen(0, "127.0.0.1");
  await once(silent, "listening");
  const { port } = silent.address() as AddressInfo;
  const url = postgres
    .url([primary], "?connect_timeout=1")
    .replace("@", `@127.0.0.1:${port},no-such-host.invalid,`);
  expect(await portOf(url)).toBe(primary.port);
  silent.close();
});

test("an address without a primary says why each server cannot be used", async () => {
  const dead = "127.0.0.1:1";
  const url = postgres.url([standby]).replace("@", `@${dead},no-such-host.invalid:5433,`);
  const message = await portOf(url).then(String, (error: Error) => error.message);
  expect(message).toMatch(/^no server accepts writes: /);
  expect(message).toContain(`${dead}: connect ECONNREFUSED`);
  expect(message).toContain("no-such-host.invalid:5433: getaddrinfo");
  expect(message).toContain(`127.0.0.1:${standby.port} is a standby`);
  expect(message).not.toContain(postgres.password);
});

test("a wrong password at every server is reported by name", async () => {
  const url = postgres.url([primary, standby]).replace(postgres.password, "wrong");
  await expect(portOf(url)).rejects.toThrow(
    new RegExp(`127.0.0.1:${primary.port}: password authentication failed`),
  );
});

test("a start without a primary ends with one line that names the setting", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "omoi-data-"));
  const { ended } = startServer({
    OMOI_DATABASE_URL: postgres.url([standby, standby]),
    OMOI_DATA_DIR: dataDir,
  });
  const { code, stderr } = await ended;
  expect(code).toBe(1);
  expect(stderr.trim().split("\n")).toHaveLength(1);
  expect(stderr).toMatch(/No database server can be used .*is a standby.*OMOI_DATABASE_URL/);
  await removeDataFolder(dataDir);
});

test("a connection whose server became read-only is not used again", async () => {
  const config = addressFromUrl(postgres.url([primary, standby]));
  const pool = new DatabasePool({ ...config, max: 1 });
  pool.on("error", () => {});
  await pool.query("create table written (number integer)");
  const pid = async () => (await pool.query("select pg_backend_pid() as pid")).rows[0]?.pid;
  const before = await pid();
  await pool.query("set default_transaction_read_only to on");
  await expect(pool.query("insert into written values (1)")).rejects.toMatchObject({
    code: "25006",
  });
  expect(await pid()).not.toBe(before);
  await pool.query("insert into written values (2)");
  await pool.end();
});

test("a primary that was replaced loses its connections and gets no new ones", async () => {
  const history = new ServerHistory();
  const config = addressFromUrl(postgres.url([primary, standby]), "OMOI_DATABASE_URL", history);
  const client = new DatabaseClient(config);
  await client.connect();
  const ended = new Promise((resolve) => client.once("end", resolve));
  const stop = config.hosts?.watch(config, () => {});
  // Both accept writes now: the old primary does not know of the promotion.
  await standby.promote();
  await ended;
  stop?.();
  expect(await primary.query("select pg_is_in_recovery() as standby")).toEqual([
    { standby: false },
  ]);
  expect(await portOf(postgres.url([primary, standby]))).toBe(standby.port);
  await expect(portOf(postgres.url([primary], "?connect_timeout=5"), history)).rejects.toThrow(
    "is a replaced primary: its timeline is 1, and 2 exists",
  );
}, 30_000);
