import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Client } from "#shared/contract/client.js";
import type { Project } from "#shared/api/code/projects.js";
import { databaseUrlOf, queryAsOwner } from "../support/database/queries.js";
import { folderOf, makeOrganization, makeWorkspace } from "../support/fixtures/factories.js";
import { makeProjectAt } from "../support/fixtures/project-at.js";
import { shell, waitForRun, waitForRunEnd } from "../support/fixtures/runs.js";
import { startTestApp, type TestApp, type TestPerson } from "../support/server/app.js";
import { clusterEnv } from "../support/server/cluster-env.js";
import { removeDataFolder } from "../support/server/data-folder.js";
import { clientOf, startServer, type ServerProcess } from "../support/server/server-process.js";

let app: TestApp;
let owner: TestPerson;
let dataDir: string;
let env: Record<string, string>;
let server: ServerProcess;
let api: Client;

const startNode = async (): Promise<void> => {
  server = startServer(env);
  api = clientOf(await server.ready, owner.token, () => server.stderr());
};
const projectAt = (name: string, orgId: string): Promise<Project> =>
  makeProjectAt(app, name, name === "two" ? { api } : owner, orgId);
const kill = async (): Promise<void> => {
  server.process.kill("SIGKILL");
  await server.ended;
};

beforeAll(async () => {
  app = await startTestApp(await clusterEnv("one"), "real");
  owner = await app.person("owner");
  dataDir = await mkdtemp(join(tmpdir(), "omoi-killed-node-"));
  env = {
    ...(await clusterEnv("two")),
    OMOI_DATA_DIR: dataDir,
    OMOI_DATABASE_URL: databaseUrlOf(app),
    OMOI_SECRET: app.config.secret,
  };
  await startNode();
});
afterAll(async () => {
  server.process.kill("SIGTERM");
  await server.ended;
  await app.close();
  await removeDataFolder(dataDir);
});

test("the runs of a killed node are lost after its lease, and saved when it is back", async () => {
  const org = await makeOrganization(owner);
  const body = { max_concurrent_agents: 1 };
  await owner.api.organizations.update({ params: { org_id: org.id }, body });
  const { workspace } = await makeWorkspace({ api }, (await projectAt("two", org.id)).id);
  const other = await makeWorkspace(owner, (await projectAt("one", org.id)).id);
  const params = { agent_id: workspace.agent_id };
  const command = shell("echo work > made.txt; sleep 1000");
  const { data: run } = await api.runs.create({ params, body: { command } });
  const made = join(folderOf(workspace), "made.txt");
  await expect.poll(() => readFile(made, "utf8").catch(() => null)).toBe("work\n");
  const { data: waiting } = await owner.api.runs.create({
    params: { agent_id: other.agent.id },
    body: { command: ["true"], queue: true },
  });
  expect(waiting.status).toBe("queued");

  await kill();
  const statusOf = () => queryAsOwner(app, "select status from runs where id = $1", [run.id]);
  await expect.poll(statusOf).not.toEqual([{ status: "running" }]);
  expect(await statusOf()).toEqual([{ status: "lost" }]);
  // Its place is free again.
  expect((await waitForRunEnd(owner, waiting.id)).status).toBe("succeeded");
  const saved = () =>
    queryAsOwner(
      app,
      `select r.is_unsaved, (select count(*)::int from workspace_commits c where c.agent_id = r.agent_id) as commits
        from runs r where r.id = $1`,
      [run.id],
    );
  expect(await saved()).toEqual([{ is_unsaved: true, commits: 0 }]);

  await startNode();
  await expect.poll(saved).toEqual([{ is_unsaved: false, commits: 1 }]);
  const { data: changes } = await api.workspaces.changes({ params });
  expect(changes.files.map(({ path }) => path)).toEqual(["made.txt"]);
});

test("a node that is killed and started again and again leaves another one as it is", async () => {
  const org = await makeOrganization(owner);
  const { workspace } = await makeWorkspace(owner, (await projectAt("one", org.id)).id);
  const command = shell("until [ -e go ]; do echo . >> beats; sleep 0.02; done; rm go");
  const params = { agent_id: workspace.agent_id };
  const { data: run } = await owner.api.runs.create({ params, body: { command } });
  for (let round = 0; round < 3; round += 1) {
    const project = await projectAt("two", org.id);
    const own = await makeWorkspace({ api }, project.id);
    const started = await api.runs.create({
      params: { agent_id: own.agent.id },
      body: { command: ["sleep", "1000"] },
    });
    await kill();
    await startNode();
    await waitForRun({ api }, started.data.id, ({ status }) => status === "lost");
    const { data: mine } = await owner.api.runs.get({ params: { run_id: run.id } });
    expect(mine.status).toBe("running");
  }
  const beats = async () => (await readFile(join(folderOf(workspace), "beats"), "utf8")).length;
  const before = await beats();
  await expect.poll(beats).toBeGreaterThan(before);
  await owner.api.runs.stop({ params: { run_id: run.id } });
  const ended = await waitForRunEnd(owner, run.id);
  expect(ended).toMatchObject({ status: "stopped", checkpoint: { error: null } });
});
