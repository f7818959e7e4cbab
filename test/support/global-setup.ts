import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { pino } from "pino";
import type { TestProject } from "vitest/node";
import { addressFromUrl } from "#server/db/connection/address.js";
import { openDatabase } from "#server/db/connection/connect.js";
import { startEmbeddedPostgres } from "#server/db/embedded/embedded.js";
import { removeDataFolder } from "./server/data-folder.js";

/** The PostgreSQL cluster of this test run; each file copies the template. */
export interface TestCluster {
  /** A role that can create databases; a superuser on the cluster started by the tests. */
  admin: pg.ClientConfig;
  /**
   * The owner of each database: `LOGIN CREATEROLE` and nothing more, as in an installation, so that
   * row-level security applies to it.
   */
  owner: pg.ClientConfig;
  template: string;
  secret: string;
  /** A file with the data folders that are removed at the end of the run, one in a line. */
  sharedFolders: string;
}

declare module "vitest" {
  interface ProvidedContext {
    cluster: TestCluster;
  }
}

/**
 * Provides one PostgreSQL for the whole run: the embedded one on a temporary folder, or the one in
 * OMOI_TEST_DATABASE_URL. A template database is migrated once.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), "omoi-test-"));
  const url = process.env["OMOI_TEST_DATABASE_URL"];
  const embedded = url
    ? null
    : await startEmbeddedPostgres({
        dataDir: join(folder, "postgres"),
        uid: 60_859,
        settings: {
          fsync: "off",
          synchronous_commit: "off",
          full_page_writes: "off",
          max_connections: "500",
          autovacuum: "off",
          // Thousands of connections sign in by SCRAM.
          scram_iterations: "1",
        },
      });
  const admin: pg.ClientConfig = url
    ? addressFromUrl(url)
    : {
        host: embedded?.host,
        port: embedded?.port,
        user: embedded?.user,
        database: embedded?.database,
      };
  const secret = "a secret for the tests, of no use elsewhere";
  const template = `omoi_template_${process.pid}_${Date.now()}`;

  const client = new pg.Client(admin);
  await client.connect();
  const password = randomBytes(16).toString("hex");
  await client.query(`create role ${template} login createrole password '${password}'`);
  await client.query(`create database ${template} owner ${template}`);
  const owner = { ...withoutDatabase(client), user: template, password };
  const db = await openDatabase(
    { owner: { ...owner, database: template }, app: null },
    secret,
    pino({ level: "silent" }),
  );
  await db.close();
  const sharedFolders = join(folder, "shared-folders");
  await writeFile(sharedFolders, "");
  const cluster = { admin: withoutDatabase(client), owner, template, secret, sharedFolders };
  project.provide("cluster", cluster);

  return async () => {
    const folders = (await readFile(sharedFolders, "utf8")).split("\n").filter(Boolean);
    await Promise.all(folders.map(removeDataFolder));
    // The embedded one is removed as a whole, which is faster.
    if (embedded === null) {
      const { rows } = await client.query<{ datname: string }>(
        "select datname from pg_database where datname like $1",
        [`${template}%`],
      );
      for (const { datname } of rows) {
        await client.query(`drop database if exists ${datname} with (force)`);
      }
      await client.query(`drop role ${template}`);
    }
    await client.end();
    await embedded?.stop();
    await rm(folder, { recursive: true, force: true });
  };
}

function withoutDatabase(client: pg.Client): pg.ClientConfig {
  return {
    host: client.host,
    port: client.port,
    ...(client.user === undefined ? {} : { user: client.user }),
    ...(typeof client.password === "string" ? { password: client.password } : {}),
  };
}
