/** A home that is a process of its own, is killed in the middle of an answer, and starts again. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, writeFile } from "node:fs/promises";
import { request as requestHttp, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
import { databaseUrlOf } from "#test/support/database/queries.js";
import { makeOrganization, makeProject, makeWorkspace } from "#test/support/fixtures/factories.js";
import { shell } from "#test/support/fixtures/runs.js";
import { createGitKey, openCloneFactory } from "#test/support/git/clone.js";
import { problemOf, send } from "#test/support/http/raw-request.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { clusterEnv } from "#test/support/server/cluster-env.js";
import { homeOf } from "#test/support/server/cluster.js";
import { removeDataFolder } from "#test/support/server/data-folder.js";
import { startServer, type ServerProcess } from "#test/support/server/server-process.js";

let app: TestApp;
let owner: TestPerson;
let project: Project;
let home: ServerProcess;
let dataDir: string;
let env: Record<string, string>;

const startHome = async (): Promise<void> => {
  home = startServer({
    OMOI_DATABASE_URL: databaseUrlOf(app),
    OMOI_SECRET: app.config.secret,
    OMOI_DATA_DIR: dataDir,
    ...env,
  });
  await home.ready;
};
beforeAll(async () => {
  app = await startTestApp(await clusterEnv("one"));
  dataDir = await mkdtemp(join(tmpdir(), "omoi-home-"));
  env = await clusterEnv("two");
  await startHome();
  owner = await app.person("owner");
  const { id } = await makeOrganization(owner);
  do project = await makeProject(owner, id);
  while ((await homeOf(app, project)) !== "two");
});
afterAll(async () => {
  home.process.kill("SIGTERM");
  await home.ended;
  await app.close();
  await removeDataFolder(dataDir);
});
const pathOf = (of: Project): string => `/api/v1/projects/${of.id}`;

test("an answer that a crash cuts off is never complete, and the project returns with its home", async () => {
  const key = await createGitKey(owner);
  const clones = await openCloneFactory();
  const gitPath = new URL(project.clone_url).pathname;
  const clone = await clones.clone(app.url + gitPath, key);
  await writeFile(join(clone.folder, "big.bin"), randomBytes(32 * 1024 * 1024));
  const head = await clone.commit({ "a.txt": "a\n" });
  expect((await clone.push("HEAD:main")).code).toBe(0);

  // A clone whose client is slow.
  const packet = (line: string) => (line.length + 4).toString(16).padStart(4, "0") + line;
  const fetching = requestHttp(`${app.url}${gitPath}/git-upload-pack`, {
    method: "POST",
    headers: {
      authorization: `Basic ${Buffer.from(`x:${key}`).toString("base64")}`,
      "content-type": "application/x-git-upload-pack-request",
    },
  });
  fetching.end(`${packet(`want ${head} ofs-delta\n`)}0000${packet("done\n")}`);
  const [answer] = (await once(fetching, "response")) as [IncomingMessage];
  expect(answer.statusCode).toBe(200);
  await once(answer, "readable");
  answer.read();
  // The connection may break before the client reads on.
  const outcome = new Promise<string>((resolve) => {
    answer.once("end", () => resolve("end"));
    answer.once("error", ({ message }) => resolve(message));
  });
  home.process.kill("SIGKILL");
  await home.ended;
  let received = 0;
  answer.on("data", (chunk: Buffer) => (received += chunk.length));
  expect(await outcome).toBe("aborted");
  expect(received).toBeLessThan(32 * 1024 * 1024);

  for (const [method, body] of [
    ["GET", undefined],
    ["PATCH", { name: "New" }],
  ] as const) {
    const refused = await send(app, method, pathOf(project), { ...owner, body });
    expect([refused.status, problemOf(refused).code]).toEqual([503, "home_unavailable"]);
    expect(refused.headers.get("retry-after")).toBe("5");
  }
  expect((await send(app, "GET", "/api/v1/projects", owner)).status).toBe(200);

  await startHome();
  await expect.poll(async () => (await send(app, "GET", pathOf(project), owner)).status).toBe(200);
  const again = await clones.clone(app.url + gitPath, key);
  expect(await again.git("rev-parse", "HEAD")).toBe(head);
  await clones.dispose();
});

test("requests during restarts of the home are answered, or refused as unavailable", async () => {
  const seen = new Map<string, number>();
  const stop = new AbortController();
  const asking = Array.from({ length: 8 }, async (_, index) => {
    for (let count = 0; !stop.signal.aborted; count += 1) {
      const isWrite = (index + count) % 2 === 0;
      const outcome = await send(app, isWrite ? "PATCH" : "GET", pathOf(project), {
        ...owner,
        ...(isWrite && { body: { description: `${index} ${count}` } }),
      }).then(
        ({ status }) => String(status),
        // A write whose outcome is unknown, or a head that was sent before the crash.
        () => "broken connection",
      );
      seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
    }
  });
  for (let round = 0; round < 2; round += 1) {
    home.process.kill(round === 0 ? "SIGKILL" : "SIGTERM");
    await home.ended;
    await expect.poll(() => seen.get("503") ?? 0).toBeGreaterThan(0);
    seen.delete("503");
    await startHome();
    seen.delete("200");
    await expect.poll(() => seen.get("200") ?? 0).toBeGreaterThan(10);
  }
  stop.abort();
  await Promise.all(asking);
  for (const outcome of seen.keys()) expect(["200", "503", "broken connection"]).toContain(outcome);
});

test("while the home is away, its run is lost after its lease, for everyone who asks", async () => {
  const { agent } = await makeWorkspace(owner, project.id);
  const params = { agent_id: agent.id };
  const { data: run } = await owner.api.runs.create({
    params,
    body: { command: shell("sleep 600") },
  });
  home.process.kill("SIGKILL");
  await home.ended;
  const read = async () => (await owner.api.runs.get({ params: { run_id: run.id } })).data.status;
  expect(["running", "lost"]).toContain(await read());
  await expect.poll(read).toBe("lost");
  const { data: idle } = await owner.api.agents.get({ params });
  expect(idle).toMatchObject({ status: "idle", last_run: { id: run.id, status: "lost" } });
  expect((await owner.api.runs.list({ params })).data).toMatchObject([{ id: run.id }]);
  await startHome();
});
