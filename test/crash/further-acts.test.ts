/** A server that is killed once while it opens a pull request, builds an environment and makes a backup. */
import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { CrashingServer } from "../support/crash/crashing-server.js";
import { makeForgeTask } from "../support/crash/forge-task.js";
import { folderOf, mergeIntoBase, writeFiles } from "../support/fixtures/factories.js";
import { shell, waitForRunEnd } from "../support/fixtures/runs.js";
import type { ForgeDouble } from "../support/forges/forge-double.js";
import { startGitea } from "../support/forges/gitea/gitea-double.js";
import { omoi } from "../support/server/cli.js";
import { removeDataFolder } from "../support/server/data-folder.js";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let server: CrashingServer;
let forge: ForgeDouble;
let backups: Record<string, string>;
beforeAll(async () => {
  backups = {
    OMOI_BACKUP_REPOSITORY: await mkdtemp(join(tmpdir(), "omoi-further-acts-")),
    OMOI_BACKUP_KEY: "a key for these tests, long enough",
  };
  server = new CrashingServer("checkout", {
    OMOI_FORGE_PRIVATE_HOSTS: "true",
    ...backups,
  });
  await server.open();
  forge = await startGitea();
});
afterAll(async () => {
  await server.close();
  await forge.close();
  await removeDataFolder(backups["OMOI_BACKUP_REPOSITORY"] as string);
});

test("a pull request is opened once", async () => {
  const { taskId, repository } = await makeForgeTask(server, forge);
  await server.stop();
  await server.startWithKillAt(3, "after");
  const open = async () =>
    (await server.api.pullRequests.open({ params: { task_id: taskId }, body: {} })).data;
  expect(await server.runUntilKilled(open)).toBe(true);
  await server.start();
  expect(await open()).toMatchObject({ state: "open", number: 1, error: null });
  expect(repository.pulls).toHaveLength(1);
  expect(await server.query("select id from pull_requests")).toHaveLength(1);
  expect(forge.violations).toEqual([]);
});

test("an environment is built, and a run has it", async () => {
  const first = await server.createWorkspace();
  await writeFiles(first, { ".gitignore": "node_modules/\n" });
  await mergeIntoBase(server, first);
  const { agent_id } = await server.createAgent();
  await server.stop();
  await server.startWithKillAt(12, "before");
  const params = { project_id: server.project.id };
  const runOf = (file: string) =>
    server.api.runs
      .create({ params: { agent_id }, body: { command: shell(`cat node_modules/a > ${file}`) } })
      .then(({ data }) => waitForRunEnd(server, data.id));
  const isKilled = await server.runUntilKilled(async () => {
    const body = { setup_script: "mkdir node_modules; echo built > node_modules/a" };
    await server.api.environments.set({ params, body });
    await server.api.workspaces.create({ params: { agent_id } });
    await runOf("seen.txt");
  });
  expect(isKilled).toBe(true);
  await server.start();
  const { data: workspace } = await server.api.workspaces
    .get({ params: { agent_id } })
    .catch(() => server.api.workspaces.create({ params: { agent_id } }));
  const { data: begun } = await server.api.runs.list({ params: { agent_id }, query: {} });
  for (const { id } of begun) await waitForRunEnd(server, id);
  expect(await runOf("again.txt")).toMatchObject({ status: "succeeded" });
  expect(await readFile(join(folderOf(workspace), "again.txt"), "utf8")).toBe("built\n");
  const { data: builds } = await server.api.environments.builds({ params, query: {} });
  expect(builds.filter(({ ended_at }) => ended_at === null)).toEqual([]);
  expect(builds[0]?.status).toBe("succeeded");
});

test("a due backup is made by the next start, and is whole", async () => {
  await server.stop();
  // Midnight has passed since the last backup: there is none.
  const due = { OMOI_BACKUP_SCHEDULE: "00:00" };
  await server.start({ ...due, KILL_FROM: "tar", KILL_AT: "2", KILL_WHEN: "after" });
  await server.waitForKill();
  await server.start(due);
  const made = () =>
    server.query(
      "select from installation_events where action = 'backup.created' and target is not null",
    );
  await expect.poll(async () => (await made()).length, { timeout: 60_000 }).toBe(1);
  const admin = { ...backups, OMOI_DATA_DIR: server.dataDir };
  expect(await omoi(admin, "admin", "backups", "--verify")).toMatchObject({
    code: 0,
    err: "",
    out: expect.stringMatching(/^Intact: [^,]+\.\n$/) as string,
  });
});
