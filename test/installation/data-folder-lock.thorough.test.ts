import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { storageIn } from "#server/data-folder/storage.js";
import { startTestApp, type TestApp } from "../support/server/app.js";
import { makeAgent, makeOrganization, makeProject } from "../support/fixtures/factories.js";
import { databaseUrlOf } from "../support/database/queries.js";
import { clientOf, startServer, type ServerProcess } from "../support/server/server-process.js";

/** Starts a program with its own processes and mounts, like a container. */
const container = ["unshare", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc"];
const hasNamespaces =
  spawnSync(container[0] as string, [...container.slice(1), "true"]).status === 0;
/** Shares processes, but has its own mounts. */
const privateMounts = ["unshare", "--mount"];

describe.skipIf(!hasNamespaces)("a data folder in use by another server", () => {
  const servers: ServerProcess[] = [];
  const folders: string[] = [];
  const start = (env: Record<string, string>, through: string[] = []): ServerProcess => {
    const server = startServer(env, [], through);
    servers.push(server);
    return server;
  };
  const newFolder = async (): Promise<string> => {
    const folder = await mkdtemp(join(tmpdir(), "omoi-lock-"));
    folders.push(folder);
    return folder;
  };
  const stop = async ({ process, ended }: ServerProcess, signal: NodeJS.Signals = "SIGTERM") => {
    process.kill(signal);
    await ended;
  };
  const refused = async (env: Record<string, string>, through: string[]): Promise<string> => {
    const { code, stderr } = await start(env, through).ended;
    expect([code, stderr.trim().split("\n").length]).toEqual([1, 1]);
    return stderr;
  };
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp();
  });
  afterAll(async () => {
    await Promise.all(servers.map((server) => stop(server, "SIGKILL")));
    await Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true })));
    await app.close();
  });

  test("is refused with the embedded database, in any namespace", async () => {
    const env = { OMOI_DATA_DIR: await newFolder() };
    const first = start(env);
    const api = clientOf(await first.ready);
    for (const through of [container, privateMounts]) {
      expect(await refused(env, through)).toContain("another container");
    }
    const pid = String(first.process.pid);
    expect(await refused(env, [])).toContain(pid);
    const person = { email: "ann@example.com", password: "correct staple horse" };
    expect((await api.auth.register({ body: person })).status).toBe(201);
    await stop(first);
    // Its namespaces and lock end with it.
    const inside = start(env, container);
    await inside.ready;
    expect(await refused(env, [])).toContain("another container");
    await stop(inside, "SIGKILL");
    const again = start(env);
    const { data } = await clientOf(await again.ready).auth.login({ body: person });
    expect(data.token_type).toBe("bearer");
    await stop(again);
  });

  test("is shared on one database in the same namespaces, and refused in others", async () => {
    const env = {
      OMOI_DATA_DIR: app.dataDir,
      OMOI_DATABASE_URL: databaseUrlOf(app),
      OMOI_SECRET: app.config.secret,
    };
    const [first, second] = [start(env), start(env)];
    const urls = await Promise.all([first.ready, second.ready]);
    expect(await refused(env, container)).toContain("another container");
    // Both keep serving, and so does one alone.
    const person = await app.person("owner");
    const org = await makeOrganization(person);
    const project = await makeProject(person, org.id);
    await makeAgent(person, project.id);
    for (const url of urls) {
      expect((await clientOf(url, person.token).organizations.list({})).data).toHaveLength(1);
    }
    await stop(first, "SIGKILL");
    // As if git was killed, too.
    const lock = join(storageIn(app.dataDir).repository(org.id, project.id), "HEAD.lock");
    await writeFile(lock, "");
    expect(await refused(env, container)).toContain("another container");
    const third = start(env);
    await third.ready;
    // It may belong to the second server.
    expect(existsSync(lock)).toBe(true);
    // An embedded database would be a second one on the same folder.
    expect(await refused({ OMOI_DATA_DIR: app.dataDir }, [])).toContain("already in use");
    await Promise.all([stop(second), stop(third)]);
    // Without holders, a container may take over the folder.
    await start(env, container).ready;
    expect(existsSync(lock)).toBe(false);
  });
});
