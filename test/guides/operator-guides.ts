/** The guides of an operator. The last ones need a server that is stopped. */
import { once } from "node:events";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import pg from "pg";
import { expect, inject, test } from "vitest";
import { readConfig } from "#server/config/config.js";
import { startDatabaseProxy } from "#test/support/database/database-proxy.js";
import { codeBlocks } from "#test/support/documents/code-blocks.js";
import { startS3Server } from "#test/support/object-storage/s3-server.js";
import { builtFile } from "#test/support/server/built-files.js";
import { clientOf } from "#test/support/server/server-process.js";
import { continued, valueOf } from "./first-guides.js";
import { type OpenGuide, world } from "./world.js";

/** A shell on the server's machine, with the settings of the server. */
const operator = () => ({ env: { OMOI_DATA_DIR: world.in("clone/data") } });

/** Settings that a guide assigns become part of the environment, as in a file of systemd. */
const SETTINGS = "set -a";

/** The server accepts the settings of a shell. */
async function expectSettings(guide: OpenGuide): Promise<void> {
  const { out } = await guide.shell.run("env -0");
  const settings = out.split("\0").filter((line) => line.startsWith("OMOI_"));
  const pairs = settings.map((line) => /^(\w+)=(.*)$/s.exec(line)?.slice(1) as [string, string]);
  expect(pairs.length).toBeGreaterThan(0);
  readConfig(Object.fromEntries(pairs));
}

/** Guides of a server that runs. */
export function operatorGuides(): void {
  test("docs/how-to/check-the-audit-log.md", async () => {
    const guide = await continued("docs/how-to/check-the-audit-log.md", { place: "clone" });
    const [script = ""] = await codeBlocks("how-to/check-the-audit-log.md", "js");
    writeFileSync(world.in("clone/verify-audit.mjs"), script);
    expect((await guide.next()).out).toMatch(/acme-corp: \d+ events, intact/);
    expect((await guide.next()).out).toMatch(/^\d+ events, 0 gaps, 0 redacted; last: /m);
    await guide.rest();
  });

  test("docs/how-to/help-a-user.md", async () => {
    const account = { email: "ann@example.com", password: "correct staple horse" };
    await clientOf(world.url).auth.register({ body: account });
    const guide = await world.guide("docs/how-to/help-a-user.md", operator());
    expect((await guide.next()).out).toContain("ann@example.com");
    await guide.rest();
    const exported = readFileSync(`${guide.folder}/ann.json`, "utf8");
    expect(JSON.parse(exported)).toMatchObject({ user: { email: "ann@example.com" } });
    await expect(world.api(account)).rejects.toMatchObject({ problem: { status: 401 } });
  });

  test("docs/how-to/runners.md", async () => {
    const api = await world.api();
    const guide = await world.guide("docs/how-to/runners.md", {
      ...operator(),
      begin: "omoi agent create gpu-worker --project shop",
      instead: { AGENT: "gpu-worker" },
    });
    const { out, err } = await guide.next();
    const token = /OMOI_RUNNER_TOKEN=(\S+) omoi runner --url \S+ --labels linux$/m.exec(out + err);
    const options = ["--url", world.url, "--labels", "linux,gpu", "--data", world.in("runner")];
    const runner = spawn(process.execPath, [builtFile("cli/main.js"), "runner", ...options], {
      env: { PATH: process.env["PATH"], HOME: world.in("home"), OMOI_RUNNER_TOKEN: token?.[1] },
      stdio: ["ignore", "ignore", "inherit"],
    });
    const ended = once(runner, "close");
    try {
      await guide.next();
      const runs = async () => {
        const query = { organization_id: valueOf("ORG") };
        return (await api.runs.listAll({ query })).data.find(
          ({ agent_name }) => agent_name === "gpu-worker",
        );
      };
      await expect.poll(async () => (await runs())?.ended_at ?? null).not.toBeNull();
      expect(await runs()).toMatchObject({ runner: { name: "gpu-1" } });
      await guide.rest();
      expect((await api.runners.list({ query: {} })).data).toEqual([]);
    } finally {
      runner.kill();
      await ended;
    }
  });

  test("docs/how-to/several-servers.md", async () => {
    const guide = await world.guide("docs/how-to/several-servers.md", {
      ...operator(),
      begin: SETTINGS,
      instead: {
        "OMOI_SECRET=…": "OMOI_SECRET=$(openssl rand -hex 32)",
        "OMOI_CLUSTER_SECRET=…": "OMOI_CLUSTER_SECRET=$(openssl rand -hex 32)",
      },
    });
    await guide.next();
    await expectSettings(guide);
    // The server of this test is alone, with a database of its own.
    await guide.shell.run("unset ${!OMOI_*}");
    await guide.shell.run(`export OMOI_DATA_DIR=${world.in("clone/data")}`);
    expect((await guide.next()).out).toMatch(/^\S+ +active +\d/m);
    await guide.rest();
  });

  test("docs/how-to/backup.md", async () => {
    mkdirSync(world.in("root/var/lib"), { recursive: true });
    symlinkSync(world.in("clone/data"), world.in("root/var/lib/omoi"));
    const guide = await world.guide("docs/how-to/backup.md", {
      place: "clone",
      begin: SETTINGS,
      instead: { "/mnt/backups": world.in("root/mnt/backups") },
    });
    await guide.next();
    await expectSettings(guide);
    expect((await guide.next()).out).toMatch(/^Intact: \d{8}T/m);
    await guide.next();
    const backup = world.in("root/var/backups/omoi/2026-11-26");
    expect(existsSync(`${backup}/SHA256SUMS`)).toBe(true);
    expect((await guide.next()).out).toContain("ntact");
    await guide.rest();
  });

  test("docs/how-to/maintenance.md", async () => {
    const guide = await world.guide("docs/how-to/maintenance.md", { place: "clone" });
    const { out } = await guide.next();
    expect(out).toContain("New disk, back at 18:00 UTC");
    expect(out).toContain("Not in maintenance.");
    await guide.rest();
  });

  test("docs/how-to/retention.md", async () => {
    const guide = await world.guide("docs/how-to/retention.md", {
      place: "clone",
      begin: SETTINGS,
    });
    await guide.next();
    await expectSettings(guide);
    await guide.rest();
  });

  test("docs/how-to/object-storage.md", async () => {
    const s3 = await startS3Server();
    try {
      const guide = await world.guide("docs/how-to/object-storage.md", {
        place: "clone",
        begin: SETTINGS,
        instead: {
          "https://s3.eu-central-1.amazonaws.com": s3.endpoint,
          "example-omoi-logs": s3.bucket,
          "s3://example-backups": `s3://${s3.bucket}`,
          "AKIA…": s3.env["OMOI_S3_ACCESS_KEY_ID"] as string,
          "SECRET_ACCESS_KEY=…": `SECRET_ACCESS_KEY=${s3.env["OMOI_S3_SECRET_ACCESS_KEY"]}`,
          "/var/lib/omoi-restored": "/var/lib/omoi-from-bucket",
        },
      });
      await guide.next();
      await expectSettings(guide);
      await guide.rest();
      expect(await s3.keys("omoi/2026-11-28/")).toContain("omoi/2026-11-28/SHA256SUMS");
      expect(existsSync(world.in("root/var/lib/omoi-from-bucket/secret"))).toBe(true);
    } finally {
      await s3.close();
    }
  });
}

/** Guides that begin with a stop of the server. */
export function maintenanceGuides(): void {
  test("docs/how-to/upgrade.md", async () => {
    await world.halt();
    const guide = await world.guide("docs/how-to/upgrade.md", { place: "clone" });
    const { out } = await guide.next();
    expect(out).toContain("Already up to date.");
    expect(out).toContain("Omoi is ready: ");
    await guide.rest();
  });

  test("docs/how-to/proxy.md", async () => {
    const guide = await world.guide("docs/how-to/proxy.md", { place: "clone" });
    expect((await guide.next()).out).toContain("Omoi is ready: ");
    await guide.rest();
  });

  test("docs/how-to/external-postgresql.md", async () => {
    const { admin, secret } = inject("cluster");
    const proxy = await startDatabaseProxy(admin);
    const own = `omoi_guide_${process.pid}`;
    const [simple = "", separate = ""] = await codeBlocks("how-to/external-postgresql.md", "sql");
    const client = new pg.Client({ ...admin, database: "postgres" });
    await client.connect();
    const roles = [`${own}_app`, `${own}_serving`, own];
    const drop = async () => {
      await client.query(`drop database if exists ${own} with (force)`);
      for (const role of roles) await client.query(`drop role if exists ${role}`);
    };
    const create = async (statements: string) => {
      await drop();
      for (const statement of statements.replaceAll(/\bomoi/g, own).split(";\n")) {
        if (statement.trim() !== "") await client.query(statement);
      }
    };
    try {
      const guide = await world.guide("docs/how-to/external-postgresql.md", {
        place: "clone",
        begin: SETTINGS,
        env: { OMOI_SECRET: secret, OMOI_DATA_DIR: world.in("data-of-database") },
        instead: {
          "//omoi:": `//${own}:`,
          "//omoi_serving:": `//${own}_serving:`,
          "db.example.com:5432/omoi": `127.0.0.1:${proxy.config.port}/${own}`,
        },
      });
      await create(simple);
      expect((await guide.next()).out).toContain("Omoi is ready: ");
      await create(separate);
      await guide.next();
      const started = await guide.shell.run("OMOI_DATA_DIR+=-2 npm start");
      expect(started.out).toContain("Omoi is ready: ");
      for (const _ of ["TLS", "a pooler", "several servers"]) {
        await guide.shell.run("unset ${!OMOI_DATABASE_*}");
        await guide.next();
        await expectSettings(guide);
      }
      await guide.rest();
    } finally {
      await drop();
      await client.end();
      await proxy.cut();
    }
  });

  test("docs/how-to/rotate-the-secret.md", async () => {
    await world.halt();
    const secret = () => readFileSync(world.in("clone/data/secret"), "utf8").trim();
    const first = secret();
    const guide = await world.guide("docs/how-to/rotate-the-secret.md", operator());
    await guide.next();
    const second = secret();
    expect(second).not.toBe(first);
    await guide.shell.run("export OMOI_SECRET=$(cat $OMOI_DATA_DIR/secret)");
    await guide.next();
    await guide.rest();
    expect(secret()).toBe(second);
    // The keys of people work as before.
    const next = readFileSync(`${guide.folder}/new-secret`, "utf8").trim();
    await world.serve({ OMOI_SECRET: next });
    await clientOf(world.url, valueOf("TOKEN")).auth.me();
  });
}
