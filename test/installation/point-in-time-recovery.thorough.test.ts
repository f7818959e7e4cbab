/** Point-in-time recovery as docs/how-to/backup.md describes it, with the programs of PostgreSQL. */
import { spawn, spawnSync } from "node:child_process";
import { chownSync, existsSync, readdirSync } from "node:fs";
import { appendFile, chmod, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { RestartableServer } from "../support/crash/restartable-server.js";
import { codeBlocks } from "../support/documents/code-blocks.js";
import { commitFiles, makeOrganization, mergeIntoBase } from "../support/fixtures/factories.js";
import { omoi } from "../support/server/cli.js";
import { freePort } from "../support/server/free-port.js";

vi.setConfig({ testTimeout: 600_000, hookTimeout: 300_000 });

/** Programs of one version, with `pg_basebackup`, which the embedded ones lack. */
const programs = (existsSync("/usr/lib/postgresql") ? readdirSync("/usr/lib/postgresql") : [])
  .toSorted()
  .map((version) => `/usr/lib/postgresql/${version}/bin`)
  .findLast((bin) =>
    ["initdb", "pg_basebackup", "psql"].every((name) => existsSync(join(bin, name))),
  );
/** PostgreSQL refuses to run as root, and initdb as a user without a name: `nobody`. */
const account = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};

describe.skipIf(programs === undefined)("point-in-time recovery", () => {
  let root: string;
  let port: number;
  let server: RestartableServer;
  let blocks: string[];
  let settings: string;

  /** Runs commands as the user of PostgreSQL, with the paths of the guide below the test's folder. */
  const run = async (script: string): Promise<string> => {
    const child = spawn(
      "bash",
      ["-euo", "pipefail", "-c", script.replaceAll("/mnt/postgresql", join(root, "archive"))],
      {
        cwd: root,
        env: {
          PATH: `${programs}:${process.env["PATH"]}`,
          LC_ALL: "C",
          PGDATA: join(root, "data"),
          PGHOST: "127.0.0.1",
          PGPORT: String(port),
          PGUSER: "postgres",
        },
        stdio: ["ignore", "pipe", "pipe"],
        ...account,
      },
    );
    // PostgreSQL keeps the pipes open.
    const [out, [code]] = await Promise.all([
      Promise.race([text(child.stdout), once(child, "exit").then(() => "")]),
      once(child, "exit"),
    ]);
    expect([code, code === 0 ? "" : `${script}\n${await text(child.stderr)}`]).toEqual([0, ""]);
    return out;
  };
  const query = async (statement: string): Promise<Record<string, unknown>[]> => {
    const client = new pg.Client({ host: "127.0.0.1", port, user: "postgres" });
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(statement)).rows;
    } finally {
      await client.end();
    }
  };

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "omoi-recovery-"));
    await chmod(root, 0o755);
    await mkdir(join(root, "archive/wal"), { recursive: true });
    if (account.uid !== undefined) {
      for (const path of ["", "archive", "archive/wal"]) {
        chownSync(join(root, path), account.uid, account.gid);
      }
    }
    port = await freePort();
    blocks = await codeBlocks("how-to/backup.md", "sh");
    settings = (await codeBlocks("how-to/backup.md", "ini")).join("\n");
    await run("initdb --auth=trust --username=postgres --encoding=UTF8 --locale=C >/dev/null");
    await appendFile(
      join(root, "data/postgresql.conf"),
      `${settings.replaceAll("/mnt/postgresql", join(root, "archive"))}
port = ${port}
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
`,
    );
    await run("pg_ctl --wait --log=log start >/dev/null");
    await query("create role omoi login createrole");
    await query("create database omoi owner omoi");
    server = new RestartableServer({
      OMOI_DATABASE_URL: `postgres://omoi@127.0.0.1:${port}/omoi`,
      OMOI_SANDBOX: "off",
    });
    await server.open();
    await server.createProject();
  });
  afterAll(async () => {
    await server.close();
    spawnSync("bash", ["-c", `"${programs}/pg_ctl" -D "${root}/data" -m immediate stop`], account);
    await rm(root, { recursive: true });
  });

  const block = (word: string): string => {
    const found = blocks.filter((one) => one.includes(word));
    expect(found).toHaveLength(1);
    return found[0] ?? "";
  };
  const verify = () =>
    omoi(
      {
        OMOI_DATA_DIR: server.dataDir,
        OMOI_DATABASE_URL: `postgres://omoi@127.0.0.1:${port}/omoi`,
      },
      "admin",
      "verify",
    );

  test("the database goes back, and the newer repositories are reconciled", async () => {
    const workspace = await server.createWorkspace();
    await commitFiles(server, workspace, { "before.txt": "1\n" });
    await run(block("pg_basebackup"));
    await makeOrganization(server);
    const kept = await commitFiles(server, workspace, { "kept.txt": "2\n" });
    const [{ now } = {}] = await query("select clock_timestamp()::text as now");
    const before = (await server.api.organizations.list({ query: {} })).data.length;

    await makeOrganization(server);
    const late = await commitFiles(server, workspace, { "late.txt": "3\n" });
    await mergeIntoBase(server, workspace);
    const [{ wal } = {}] = await query("select pg_walfile_name(pg_current_wal_lsn()) as wal");
    await query("select pg_switch_wal()");
    await expect.poll(() => existsSync(join(root, "archive/wal", String(wal)))).toBe(true);
    await server.stop();
    await run("pg_ctl --mode=immediate stop >/dev/null");
    await rm(join(root, "data"), { recursive: true });

    await run(block("recovery.signal").replace("2026-11-30 09:41:00+00", String(now)));
    await server.start();
    expect((await server.api.organizations.list({ query: {} })).data.length).toBe(before);
    const params = { agent_id: workspace.agent_id };
    const commits = async (): Promise<string[]> =>
      (await server.api.workspaces.commits({ params, query: {} })).data.map(
        ({ commit_sha }) => commit_sha,
      );
    expect(await commits()).toContain(kept.commit_sha);
    expect(await commits()).not.toContain(late.commit_sha);
    const differing = await verify();
    expect(differing.code).toBe(1);
    expect(differing.out).toContain(
      `refs/heads/${workspace.branch_name} is at ${late.commit_sha}, and the database says ${kept.commit_sha}`,
    );
    expect(differing.out.match(/^BROKEN /gm)).toHaveLength(1);

    const { data: current } = await server.api.workspaces.get({ params });
    await commitFiles(server, current, { "next.txt": "4\n" });
    expect(await commits()).toEqual(expect.arrayContaining([kept.commit_sha, late.commit_sha]));
    await mergeIntoBase(server, current);
    expect((await verify()).out).toMatch(/^Intact: /);
    expect(await server.git("show", "main:late.txt")).toContain("3");
  });
});
