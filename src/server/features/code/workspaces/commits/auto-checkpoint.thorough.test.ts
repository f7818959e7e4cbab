// Thorough: waits for the scans of servers.
import { pino } from "pino";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { DataProcesses } from "#git/merge/merge.js";
import type { Agent } from "#shared/api/work/agents.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import {
  makeOrganization,
  makeProject,
  makeWorkspace,
  writeFiles,
} from "#test/support/fixtures/factories.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { noLeaks } from "#test/support/git/no-leaks.js";
import type { WorktreeDriver } from "#git/worktree/worktree-driver.js";
import { storageIn } from "../../../../data-folder/storage.js";
import { runDueCheckpoints } from "./auto-checkpoint.js";
import { openDriver } from "../open-driver.js";
import type { WorkspaceDeps } from "../workspace.js";

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

  test("commit unsaved work after the interval, without a request", async () => {
    await set({ checkpoint_interval_minutes: 1 });
    await writeFiles(workspace, { "a.txt": "unsaved\n" });
    await age(2);
    // The server scans every few seconds. The test does not trigger it.
    await expect.poll(commits, { interval: 200 }).toHaveLength(1);
    expect((await commits())[0]).toMatchObject({
      commit_type: "checkpoint",
      message: `[Agent ${agent.name}] Checkpoint`,
      files_changed: 1,
    });
    expect((await get()).checkpoint_error).toBeNull();
  });

  test("happen once per interval, whichever process scans", async () => {
    const sibling = await app.sibling();
    try {
      await writeFiles(workspace, { "a.txt": "one\n" });
      await age(9);
      await runDueCheckpoints(depsOf(app), log, none);
      expect(await commits()).toEqual([]);
      await age(11);
      const both = [app, sibling, app, sibling];
      await Promise.all(both.map((of) => runDueCheckpoints(depsOf(of), log, none)));
      await expect.poll(commits).toHaveLength(1);
      await writeFiles(workspace, { "a.txt": "two\n" });
      await Promise.all(both.map((of) => runDueCheckpoints(depsOf(of), log, none)));
      expect(await commits()).toHaveLength(1);
      await age(11);
      await runDueCheckpoints(depsOf(sibling), log, none);
      await expect.poll(commits).toHaveLength(2);
    } finally {
      await sibling.close();
    }
  });
});
