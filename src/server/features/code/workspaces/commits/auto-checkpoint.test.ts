import { rm } from "node:fs/promises";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { DataProcesses } from "#git/merge/merge.js";
import type { Agent } from "#shared/api/work/agents.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import {
  folderOf,
  makeOrganization,
  makeProject,
  makeWorkspace,
  writeFiles,
} from "#test/support/fixtures/factories.js";
import { git } from "#test/support/git/git.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { noLeaks } from "#test/support/git/no-leaks.js";
import type { WorktreeDriver } from "#git/worktree/worktree-driver.js";
import { storageIn } from "../../../../data-folder/storage.js";
import { insertPastRuns } from "#test/support/database/past-runs.js";
import { checkpointAtEndOfRun, runDueCheckpoints } from "./auto-checkpoint.js";
import { openDriver } from "../open-driver.js";
import { workspaceLock, type WorkspaceDeps } from "../workspace.js";

const log = pino({ level: "silent" });
const none = async (): Promise<void> => {};

/** The server's own scan may take a due checkpoint before a test does. */
describe("automatic checkpoints", () => {
  let app: TestApp;
  let driver: WorktreeDriver;
  let owner: TestPerson;
  let orgId: string;
  let agent: Agent;
  let workspace: Workspace;
  let params: { agent_id: string };
  beforeAll(async () => {
    app = await startTestApp();
    driver = await openDriver(app.config, storageIn(app.dataDir), log);
    owner = await app.person("owner");
  });
  afterAll(() => app.close());
  beforeEach(async () => {
    orgId = (await makeOrganization(owner)).id;
    const project = await makeProject(owner, orgId);
    ({ agent, workspace } = await makeWorkspace(owner, project.id));
    params = { agent_id: agent.id };
  });

  const depsOf = (of: TestApp): WorkspaceDeps => ({
    db: of.db,
    storage: storageIn(of.dataDir),
    jobs: { send: async () => {} },
    driver,
    runUids: null,
    dataProcesses: new DataProcesses(),
    leaks: noLeaks,
    log,
  });
  const commits = async () => (await owner.api.workspaces.commits({ params })).data;
  const get = async () => (await owner.api.workspaces.get({ params })).data;
  const set = (settings: Partial<Workspace["settings"]>) =>
    owner.api.workspaces.update({ params, body: { settings } });
  /** Simulates that the interval has passed. */
  const age = async (minutes: number): Promise<void> => {
    const before = `now() - interval '${minutes} minutes'`;
    await queryAsOwner(app, `update workspaces set created_at = ${before} where agent_id = $1`, [
      agent.id,
    ]);
    await queryAsOwner(
      app,
      `update checkpoint_looks set looked_at = ${before} where agent_id = $1`,
      [agent.id],
    );
  };
  /** Creates a nested repository, which no checkpoint accepts. */
  const nest = () => git(["init", "--quiet", join(folderOf(workspace), "lib")]);

  test("create no commit without changes, and none if they are off", async () => {
    await age(60);
    await runDueCheckpoints(depsOf(app), log, none);
    expect(await commits()).toEqual([]);
    for (const off of [
      { auto_checkpoint: false },
      { auto_checkpoint: true, checkpoint_interval_minutes: null },
    ]) {
      await set(off);
      await writeFiles(workspace, { "a.txt": JSON.stringify(off) });
      await age(2000);
      await runDueCheckpoints(depsOf(app), log, none);
      expect([off, await commits()]).toEqual([off, []]);
    }
    expect((await get()).settings.checkpoint_interval_minutes).toBeNull();
    await set({ checkpoint_interval_minutes: 1440 });
    await runDueCheckpoints(depsOf(app), log, none);
    await expect.poll(commits).toHaveLength(1);
  });

  test("skip an archived organization and a workspace that is locked", async () => {
    await writeFiles(workspace, { "a.txt": "unsaved\n" });
    await age(60);
    const held = await app.db.tryLock(workspaceLock(agent.id), async () => {
      await runDueCheckpoints(depsOf(app), log, none);
    });
    expect(held).toBe(true);
    expect(await commits()).toEqual([]);
    const org = { org_id: orgId };
    await owner.api.organizations.archive({ params: org });
    await runDueCheckpoints(depsOf(app), log, none);
    expect(await commits()).toEqual([]);
    await owner.api.organizations.restore({ params: org });
    // The skipped checkpoint was rescheduled, so it is still due.
    await runDueCheckpoints(depsOf(app), log, none);
    await expect.poll(commits).toHaveLength(1);
  });

  test("save only the work of runs during maintenance", async () => {
    await writeFiles(workspace, { "a.txt": "unsaved\n" });
    await owner.api.maintenance.start({ body: { message: "Back soon." } });
    try {
      await age(60);
      await runDueCheckpoints(depsOf(app), log, none);
      expect(await commits()).toEqual([]);
      const from = new Date(Date.now() - 60_000).toISOString();
      await insertPastRuns(app, orgId, [{ agentId: agent.id, from, to: null }]);
      await runDueCheckpoints(depsOf(app), log, none);
      await expect.poll(commits).toHaveLength(1);
    } finally {
      await owner.api.maintenance.end();
    }
  });

  test("report a failure on the workspace until one succeeds", async () => {
    await writeFiles(workspace, { "a.txt": "unsaved\n" });
    await nest();
    await age(60);
    await runDueCheckpoints(depsOf(app), log, none);
    await expect.poll(async () => (await get()).checkpoint_error).not.toBeNull();
    const { checkpoint_error: error, status } = await get();
    expect(status).toBe("active");
    expect(error).toEqual({
      code: "nested_repository",
      detail: expect.stringContaining('"lib"'),
      at: expect.stringMatching(/Z$/),
    });
    // No retry before the interval has passed.
    await runDueCheckpoints(depsOf(app), log, none);
    expect((await get()).checkpoint_error).toEqual(error);
    await rm(join(folderOf(workspace), "lib"), { recursive: true });
    await owner.api.workspaces.createCommit({ params, body: { commit_type: "manual" } });
    expect((await get()).checkpoint_error).toBeNull();
  });

  test("the end of a run saves its changes or reports why it cannot", async () => {
    const end = () => checkpointAtEndOfRun(depsOf(app), orgId, agent.id, null);
    const save = async () => (await end()).commit;
    expect(await save()).toBeNull();
    await writeFiles(workspace, { "a.txt": "left\n" });
    const saved = await save();
    expect(saved).toMatchObject({ commit_type: "checkpoint", files_changed: 1 });
    expect(await commits()).toEqual([saved]);
    await nest();
    const { commit, error } = await end();
    expect([commit, error]).toEqual([null, (await get()).checkpoint_error?.detail]);
    expect((await get()).checkpoint_error?.code).toBe("nested_repository");
    await rm(join(folderOf(workspace), "lib"), { recursive: true });
    await set({ auto_checkpoint: false });
    await writeFiles(workspace, { "a.txt": "not wanted\n" });
    expect(await save()).toBeNull();
    await owner.api.workspaces.archive({ params });
    expect(await save()).toBeNull();
  });

  test.each([0, 1441, 1.5, "10", true])("an interval of %j is rejected", async (value) => {
    const settings = { checkpoint_interval_minutes: value as number };
    const problem = await expectProblem(set(settings), 422, "validation_failed");
    expect(problem.errors?.[0]?.loc).toEqual(["body", "settings", "checkpoint_interval_minutes"]);
  });
});
