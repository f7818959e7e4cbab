import { randomBytes } from "node:crypto";
import { appendFile, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { pino } from "pino";
import { inject } from "vitest";
import { ApiError, createClient, type Client } from "#shared/contract/client.js";
import type { ErrorCode, Problem } from "#shared/errors.js";
import { buildApp } from "#server/app.js";
import { publicUrlOf, readConfig, type Config } from "#server/config/config.js";
import type { DatabaseAddress } from "#server/db/connection/address.js";
import { openDatabase, type Database } from "#server/db/connection/connect.js";
import { rateLimits } from "#server/db/tables/identity-tables.js";
import { workspaceBusy } from "#server/errors.js";
import { openSandbox, unavailable } from "#sandbox/open-sandbox.js";
import type { Sandbox } from "#sandbox/sandbox.js";
import { withSharedFolder } from "../temporary-folders.js";
import { removeDataFolder } from "./data-folder.js";

/** The real application on a copy of the template database, listening on a free port. */
export interface TestApp {
  url: string;
  dataDir: string;
  config: Config;
  db: Database;
  /** The connection of the database owner, for data visible only to operators. */
  owner: pg.ClientConfig;
  /** The typed client, with or without a bearer token. */
  client(token?: string): Client;
  /** Registers a person with a unique address, and signs in. */
  person(name?: string): Promise<TestPerson>;
  /** Starts another server process in effect: the same database and, unless `env` has another, data folder. */
  sibling(env?: Record<string, string>): Promise<TestApp>;
  close(): Promise<void>;
}

export interface TestPerson {
  id: string;
  email: string;
  password: string;
  token: string;
  refreshToken: string;
  api: Client;
}

/**
 * Starts an application; `env` are additional settings. Commands are refused without the `real`
 * sandbox of this machine, or one passed in.
 * @param reach replaces the connection to the database, for example by a proxy
 */
export async function startTestApp(
  env: Record<string, string> = {},
  wanted: Sandbox | "real" = unavailable("This test has no sandbox"),
  reach: (owner: pg.ClientConfig, secret: string) => Promise<DatabaseAddress> = async (owner) => ({
    owner,
    app: null,
  }),
): Promise<TestApp> {
  const { owner: direct, secret } = await createTestDatabase();
  const address = await reach(direct, secret);
  const dataDir = await mkdtemp(join(tmpdir(), "omoi-data-"));
  const settings = { OMOI_DATA_DIR: dataDir, OMOI_SECRET: secret, ...env };
  const sandbox = wanted === "real" ? await openSandbox(configFrom(settings)) : wanted;
  const app = await start(address, settings, sandbox);
  return {
    ...app,
    close: async () => {
      await app.close();
      if (wanted === "real") await sandbox.close();
      await removeDataFolder(dataDir);
    },
  };
}

let shared: Promise<TestApp> | undefined;

/**
 * Returns the application with default settings that the test files of a worker share: its start takes longer than
 * many files. For tests that look only at what they created; others start their own.
 */
export async function sharedTestApp(): Promise<TestApp> {
  const app = await (shared ??= startSharedApp());
  // Each file registers as many people as one address may.
  const text = "remove the hits of other test files";
  await app.db.withSystem(text, (db) => db.delete(rateLimits));
  return {
    ...app,
    close: () => Promise.reject(new Error("other test files use this application")),
  };
}

async function startSharedApp(): Promise<TestApp> {
  const app = await withSharedFolder(startTestApp);
  await appendFile(inject("cluster").sharedFolders, `${app.dataDir}\n`);
  return app;
}

/** Creates a copy of the template database, with its secret. */
export async function createTestDatabase(): Promise<{ owner: pg.ClientConfig; secret: string }> {
  const cluster = inject("cluster");
  const database = `${cluster.template}_${randomBytes(6).toString("hex")}`;
  const admin = new pg.Client({ ...cluster.admin, database: "postgres" });
  await admin.connect();
  await admin.query(
    `create database ${database} template ${cluster.template} owner ${cluster.template}`,
  );
  await admin.end();
  return { owner: { ...cluster.owner, database }, secret: cluster.secret };
}

function configFrom(env: Record<string, string>): Config {
  return readConfig({
    OMOI_PORT: "0",
    OMOI_LOG_LEVEL: "silent",
    // Not used, but declares that other processes may share the data folder.
    OMOI_DATABASE_URL: "postgres://tests@localhost/tests",
    ...env,
  });
}

async function start(
  address: DatabaseAddress,
  env: Record<string, string>,
  sandbox: Sandbox,
): Promise<TestApp> {
  const config = configFrom(env);
  const log = pino({ level: config.logLevel });
  const db = await openDatabase(address, config.secret, log, { lockBusy: workspaceBusy });
  let port = 0;
  const app = await buildApp({
    config,
    db,
    sandbox,
    log,
    aloneAt: null,
    publicUrl: () => publicUrlOf(config, port),
    webDir: join(import.meta.dirname, "../../../dist/web"),
    // A busy machine must not change what a page contains.
    pageWaitMs: 60_000,
    checkResponses: true,
    onNodeLost: () => {},
  });
  await app.listen({ host: "127.0.0.1", port: config.port });
  const listening = app.server.address();
  if (listening !== null && typeof listening === "object") port = listening.port;
  const url = `http://127.0.0.1:${port}`;

  const client = (token?: string): Client =>
    createClient((path, init) =>
      fetch(url + path, {
        ...init,
        headers: {
          ...(init.headers as Record<string, string>),
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        },
      }),
    );
  let people = 0;
  return {
    url,
    dataDir: config.dataDir,
    config,
    db,
    owner: address.owner,
    client,
    person: async (name) => {
      people += 1;
      const email = `${name ?? "person"}-${people}-${randomBytes(4).toString("hex")}@example.com`;
      const password = "correct staple horse";
      const { data: user } = await client().auth.register({
        body: { email, password, full_name: name ?? null },
      });
      const { data: tokens } = await client().auth.login({ body: { email, password } });
      return {
        id: user.id,
        email,
        password,
        token: tokens.access_token,
        refreshToken: tokens.refresh_token,
        api: client(tokens.access_token),
      };
    },
    sibling: (changed) => start(address, { ...env, ...changed }, sandbox),
    close: async () => {
      await app.close();
      await db.close();
    },
  };
}

/** Returns the problem of a failed call; throws if the call did not fail with it. */
export async function expectProblem(
  call: Promise<unknown>,
  status: number,
  code: ErrorCode,
): Promise<Problem> {
  const outcome = await call.then(
    (answer) => ({ answer }),
    (error: unknown) => ({ error }),
  );
  if (!("error" in outcome)) {
    throw new Error(`expected ${status} ${code}, got an answer: ${JSON.stringify(outcome.answer)}`);
  }
  if (!(outcome.error instanceof ApiError)) throw outcome.error;
  const { problem } = outcome.error;
  if (problem.status !== status || problem.code !== code) {
    throw new Error(`expected ${status} ${code}, got ${JSON.stringify(problem)}`);
  }
  return problem;
}
