import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { makeOrganization, makeProject } from "../support/fixtures/factories.js";
import { databaseUrlOf } from "../support/database/queries.js";
import { createTestDatabase } from "../support/server/app.js";
import { root } from "../support/server/built-files.js";
import { removeDataFolder } from "../support/server/data-folder.js";
import { makeVersion } from "../support/server/newer-version.js";
import { clientOf, startServer } from "../support/server/server-process.js";

const account = { email: "ada@example.com", password: "correct staple horse" };
const migrations = {
  "9990_newer.sql": `create table newer (id int primary key, org_id uuid references organizations);
    create type newer_kind as enum ('a', 'b');
    alter table projects add column newer newer_kind not null default 'a';
    create function newer_text(newer_kind) returns text language sql as 'select $1::text';
    alter table organizations drop column billing_email`,
};

let versions: string;
let newer: string;
beforeAll(async () => {
  versions = await mkdtemp(join(tmpdir(), "omoi-versions-"));
  newer = await makeVersion(versions, "newer", migrations);
});
afterAll(() => rm(versions, { recursive: true, force: true }));

describe.each(["the bundled PostgreSQL", "a PostgreSQL of one's own"])("with %s", (kind) => {
  let dataDir: string;
  let env: Record<string, string>;
  let dump: string;
  let orgId: string;
  const cli = (...args: string[]): [string, string[]] => [
    process.execPath,
    [join(newer, "dist/cli/main.js"), "admin", ...args],
  ];
  const settings = () => ({ cwd: newer, env: { PATH: process.env["PATH"], ...env } });
  const admin = (...args: string[]) => promisify(execFile)(...cli(...args), settings());

  /** Lets a version serve for the duration of `work`. */
  async function serving(place: string, work: (url: string) => Promise<unknown>): Promise<void> {
    const server = startServer(env, [], [], { root: place });
    await work(await server.ready);
    server.process.kill("SIGTERM");
    expect(await server.ended).toMatchObject({ code: 0 });
  }
  const signIn = async (url: string) =>
    clientOf(url, (await clientOf(url).auth.login({ body: account })).data.access_token);
  const dumps = async (): Promise<string[]> =>
    (await readdir(join(dataDir, "dumps"))).filter((name) => name.endsWith(".gz"));

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), "omoi-data-"));
    env = { OMOI_DATA_DIR: dataDir };
    if (kind !== "the bundled PostgreSQL") {
      const { owner, secret } = await createTestDatabase();
      env = { ...env, OMOI_DATABASE_URL: databaseUrlOf({ owner }), OMOI_SECRET: secret };
    }
    await serving(root, async (url) => {
      await clientOf(url).auth.register({ body: account });
      const api = await signIn(url);
      orgId = (await makeOrganization({ api })).id;
      await makeProject({ api }, orgId);
      const body = { description: "before", billing_email: "billing@example.com" };
      await api.organizations.update({ params: { org_id: orgId }, body });
    });
    await serving(newer, async (url) => {
      const organization = { params: { org_id: orgId }, body: { description: "after" } };
      await (await signIn(url)).organizations.update(organization).catch(() => null);
    });
    const [name] = await dumps();
    dump = join(dataDir, "dumps", name ?? "");
  });
  afterAll(() => removeDataFolder(dataDir));

  test("a running server, another file and a dump of an unknown version are refused", async () => {
    await serving(newer, async () => {
      await expect(admin("load-dump", dump)).rejects.toThrow(/in use|stop/);
    });
    const other = admin("load-dump", join(dataDir, "server.lock"));
    await expect(other).rejects.toThrow("is no dump");
    const unknown = join(dataDir, "dumps/before-9999_unknown-20260101T000000Z.sql.gz");
    await expect(admin("load-dump", unknown)).rejects.toThrow("is no dump");
    expect(await dumps()).toHaveLength(1);
  });

  test.skipIf(kind === "the bundled PostgreSQL")(
    "an interrupted command leaves the database as it was",
    async () => {
      const blocker = new pg.Client(env["OMOI_DATABASE_URL"]);
      await blocker.connect();
      await blocker.query("begin; select from newer");
      const child = spawn(...cli("load-dump", dump), settings());
      const waiting = "select from pg_locks where not granted";
      await vi.waitFor(
        async () => expect((await blocker.query(waiting)).rowCount).toBeGreaterThan(0),
        { timeout: 120_000 },
      );
      child.kill("SIGKILL");
      await once(child, "close");
      await blocker.end();
      await serving(newer, signIn);
    },
  );

  test("the earlier version serves the rows of the dump, and is upgraded again", async () => {
    const { stdout } = await admin("load-dump", dump);
    expect(stdout).toContain("The rows that were replaced are in");
    expect((await dumps()).some((name) => name.startsWith("after-9990_newer-"))).toBe(true);
    const check = async (url: string) => {
      const api = await signIn(url);
      const { data } = await api.organizations.get({ params: { org_id: orgId } });
      expect(data).toMatchObject({ description: "before", billing_email: "billing@example.com" });
      expect((await api.projects.list()).data).toHaveLength(1);
      await makeProject({ api }, orgId);
    };
    await serving(root, check);
    await serving(newer, signIn);
  });
});
