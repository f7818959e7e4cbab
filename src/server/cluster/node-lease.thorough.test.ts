import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";
import { afterEach, beforeEach, expect, inject, test, vi } from "vitest";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { startDatabaseProxy, type DatabaseProxy } from "#test/support/database/database-proxy.js";
import { queryAsAdmin } from "#test/support/database/queries.js";
import {
  commitFiles,
  folderOf,
  makeOrganization,
  makeProject,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { shell } from "#test/support/fixtures/runs.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { clusterEnv } from "#test/support/server/cluster-env.js";

let proxy: DatabaseProxy;
let app: TestApp;
let owner: TestPerson;
let workspace: Workspace;
beforeEach(async () => {
  app = await startTestApp(await clusterEnv("one"), "real", async (direct) => {
    proxy = await startDatabaseProxy(direct);
    return { owner: proxy.config, app: null };
  });
  owner = await app.person();
  const project = await makeProject(owner, (await makeOrganization(owner)).id);
  ({ workspace } = await makeWorkspace(owner, project.id));
});
afterEach(() => app.close());

/** Writes the time in milliseconds into the file `times` until it is killed. It cannot be asked to end. */
const writesTimes = shell(
  "trap '' TERM; while true; do date +%s%3N >> times; sleep 0.02; done; exit 0",
);
const timesIn = async (): Promise<number[]> => {
  const text = await readFile(join(folderOf(workspace), "times"), "utf8").catch(() => "");
  return text.split("\n").filter(Boolean).map(Number);
};
const isWriting = async (): Promise<boolean> => {
  const before = (await timesIn()).length;
  await new Promise((resolve) => setTimeout(resolve, 1000));
  return (await timesIn()).length > before;
};

test("the commands of a node without its database end before its lease", async () => {
  const params = { agent_id: workspace.agent_id };
  const { data: run } = await owner.api.runs.create({ params, body: { command: writesTimes } });
  await expect.poll(async () => (await timesIn()).length).toBeGreaterThan(0);
  await proxy.cut();
  await expect.poll(isWriting).toBe(false);
  const [node] = await queryAsAdmin<{ lease: string }>(
    app,
    "select extract(epoch from lease_until) * 1000 as lease from nodes",
  );
  const last = (await timesIn()).at(-1) ?? Number.POSITIVE_INFINITY;
  expect(last).toBeLessThan(Number(node?.lease));
  await proxy.restore();

  const statusOf = async () =>
    (await owner.api.runs.get({ params: { run_id: run.id } }).catch(() => null))?.data.status;
  await expect.poll(statusOf).toBe("lost");
  const commits = () => queryAsAdmin(app, "select commit_type from workspace_commits");
  await expect.poll(commits).toEqual([{ commit_type: "checkpoint" }]);
  await expect
    .poll(async () => commitFiles(owner, workspace, { "after.txt": "after\n" }).catch(() => null))
    .not.toBeNull();
});

/** Has each run wait before its command, once its repository is prepared, until the returned function is called. */
async function holdStarts(): Promise<() => Promise<void>> {
  await queryAsAdmin(
    app,
    `create function wait_for_test() returns trigger language plpgsql as
     'begin perform pg_advisory_xact_lock_shared(4711); return new; end';
     create trigger wait_for_test before update of repository_tip on runs
     for each row execute function wait_for_test()`,
  );
  const { database } = app.owner;
  const client = new pg.Client({ ...inject("cluster").admin, database });
  await client.connect();
  await client.query("select pg_advisory_lock(4711)");
  return () => client.end();
}
const waitingStarts = () =>
  queryAsAdmin(
    app,
    "select from pg_locks where locktype = 'advisory' and objid = 4711 and not granted",
  );

test("runs that wait for the database beyond the lease are lost, and their commands do not start", async () => {
  const agents = [workspace.agent_id];
  while (agents.length < 3) {
    const { agent } = await makeWorkspace(owner, workspace.project_id);
    agents.push(agent.id);
  }
  const release = await holdStarts();
  const body = { command: shell("echo started > started.txt") };
  const creating = Promise.all(
    agents.map((agent_id) => owner.api.runs.create({ params: { agent_id }, body })),
  );
  // If the test fails before it awaits them, they end with the server.
  creating.catch(() => undefined);
  await expect.poll(waitingStarts).toHaveLength(agents.length);
  // As after a suspension of the machine: the lease has ended, and the server has not noticed it.
  const now = Date.now.bind(Date);
  const clock = vi.spyOn(Date, "now").mockImplementation(() => now() + 13_000);
  await release();
  const runs = await creating;
  clock.mockRestore();

  for (const { data } of runs) {
    const read = () => owner.api.runs.get({ params: { run_id: data.id } });
    await expect.poll(async () => (await read()).data.status).toBe("lost");
    expect((await read()).data.detail).toMatch(/could not renew its lease/);
  }
  expect(await readdir(folderOf(workspace))).not.toContain("started.txt");
});

test("a node whose data another server has taken over ends its commands and writes nothing", async () => {
  const params = { agent_id: workspace.agent_id };
  await owner.api.runs.create({ params, body: { command: writesTimes } });
  await expect.poll(async () => (await timesIn()).length).toBeGreaterThan(0);
  await queryAsAdmin(app, "update nodes set epoch = epoch + 1");
  await expect.poll(isWriting).toBe(false);
  const runs = await queryAsAdmin(app, "select status, exit_code from runs");
  expect(runs).toEqual([{ status: "running", exit_code: null }]);
  const commits = await queryAsAdmin(app, "select from workspace_commits");
  expect(commits).toEqual([]);
});
