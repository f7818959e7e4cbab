import { chmod, readdir, readFile, rm, stat, symlink } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
import type { Merge } from "#shared/api/code/merges.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import {
  commitFiles,
  folderOf,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
  mergeIntoBase,
  writeFiles,
} from "#test/support/fixtures/factories.js";
import { describeMainDriver } from "#test/support/git/folder-drivers.js";
import { cutOffSync, expectWholeSync } from "#test/support/git/cut-off-sync.js";
import { gitInRepository } from "#test/support/git/git.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { systemRoleIds } from "../../../../../db/migrate.js";

describeMainDriver("bringing the base branch into a workspace", (driver) => {
  let app: TestApp;
  let owner: TestPerson;
  let orgId: string;
  let project: Project;
  let workspace: Workspace;
  let params: { agent_id: string };
  beforeAll(async () => {
    app = await startTestApp({ OMOI_FOLDER_DRIVER: driver });
    owner = await app.person("owner");
    orgId = (await makeOrganization(owner)).id;
  });
  beforeEach(async () => {
    project = await makeProjectWith(owner, orgId, { f: "base\n", g: "base\n", old: "old\n" });
    ({ workspace } = await makeWorkspace(owner, project.id));
    params = { agent_id: workspace.agent_id };
  });
  afterAll(() => app.close());

  const sync = (body?: object) => owner.api.workspaces.sync({ params, ...(body ? { body } : {}) });
  const at = (path: string) => join(folderOf(workspace), path);
  const inFolder = (path: string) => readFile(at(path), "utf8");
  const tip = (branch: string) =>
    gitInRepository(app, project, "rev-parse", `refs/heads/${branch}`);
  /** Merges another agent's work into main. */
  async function mergeOther(work: (workspace: Workspace) => Promise<unknown>): Promise<void> {
    const other = (await makeWorkspace(owner, project.id)).workspace;
    await work(other);
    await commitFiles(owner, other, {});
    await mergeIntoBase(owner, other);
  }
  const others = (files: Record<string, string>) => mergeOther((item) => writeFiles(item, files));

  test("creates one commit of type merge and updates the folder, after a checkpoint", async () => {
    await mergeOther(async (item) => {
      const there = (path: string) => join(folderOf(item), path);
      await writeFiles(item, { f: "theirs\n", "d/new": "n\n", run: "#!\n" });
      await chmod(there("run"), 0o755);
      await symlink("f", there("link"));
      await rm(there("old"));
    });
    await writeFiles(workspace, { g: "mine\n", own: "o\n" });
    const { status, data } = await sync();
    expect(status).toBe(201);
    expect(data).toMatchObject({
      kind: "sync",
      source_branch: "main",
      target_branch: workspace.branch_name,
      status: "clean",
    });
    expect((await readdir(folderOf(workspace))).toSorted()).toEqual([
      "d",
      "f",
      "g",
      "link",
      "own",
      "run",
    ]);
    expect([await inFolder("f"), await inFolder("g"), await inFolder("d/new")]).toEqual([
      "theirs\n",
      "mine\n",
      "n\n",
    ]);
    expect((await stat(at("run"))).mode & 0o100).toBe(0o100);

    const { data: commits } = await owner.api.workspaces.commits({ params, query: {} });
    expect(commits.map(({ commit_type }) => commit_type)).toEqual(["merge", "checkpoint"]);
    expect(commits[0]).toMatchObject({
      commit_sha: data.merge_commit_sha,
      message: `Merge main into ${workspace.branch_name}`,
      files_changed: 5,
    });
    expect(await tip(workspace.branch_name)).toBe(data.merge_commit_sha);
    expect(
      await gitInRepository(app, project, "log", "-1", "--format=%P", workspace.branch_name),
    ).toBe(`${commits[1]?.commit_sha} ${await tip("main")}`);
    const { data: shown } = await owner.api.workspaces.get({ params });
    expect([shown.head_commit, shown.counts.merges]).toEqual([data.merge_commit_sha, 0]);
    // Folder and branch agree: nothing is left to commit, and a merge contains only the workspace's own
    // work.
    expect((await commitFiles(owner, workspace, {})).created).toBe(false);
    expect((await mergeIntoBase(owner, workspace)).status).toBe("clean");
    expect(await gitInRepository(app, project, "show", "main:g")).toBe("mine");
    const query = { target_id: workspace.agent_id };
    const { data: events } = await owner.api.audit.list({ params: { org_id: orgId }, query });
    expect(events[0]).toMatchObject({
      action: "workspace.synced",
      target: { type: "workspace", name: workspace.branch_name },
      actor: { id: owner.id },
    });
  });

  test("without new commits is 200 up_to_date and changes nothing", async () => {
    await commitFiles(owner, workspace, { own: "o\n" });
    const before = await tip(workspace.branch_name);
    const { status, data } = await sync();
    expect([status, data.id, data.status]).toEqual([200, null, "up_to_date"]);
    expect(await tip(workspace.branch_name)).toBe(before);
  });

  test("with auto_checkpoint off rejects unsaved work", async () => {
    await others({ f: "theirs\n" });
    await owner.api.workspaces.update({ params, body: { settings: { auto_checkpoint: false } } });
    await writeFiles(workspace, { own: "o\n" });
    await expectProblem(sync(), 409, "unsaved_changes");
    await commitFiles(owner, workspace, {}, "manual");
    expect((await sync()).status).toBe(201);
  });

  test.each([
    [{}, "theirs\n", "source"],
    [{ resolutions: [{ path: "f", content: "both\n" }] }, "both\n", "merged"],
  ])("resolves conflicts by %j: the base branch is the source", async (body, content, winner) => {
    await commitFiles(owner, workspace, { f: "mine\n" });
    await others({ f: "theirs\n" });
    const { data } = await sync(body);
    expect(data).toMatchObject({ status: "conflict_resolved", resolutions: [{ winner }] });
    expect(await inFolder("f")).toBe(content);
    const { data: shown } = await owner.api.workspaces.get({ params });
    expect(shown.counts.conflicts_resolved).toBe(1);
  });

  test("with the manual strategy is rejected until resolved and keeps the folder unchanged", async () => {
    await commitFiles(owner, workspace, { f: "mine\n" });
    await others({ f: "theirs\n", g: "theirs\n" });
    const settings = { merge_strategy: "manual" } as const;
    await owner.api.workspaces.update({ params, body: { settings } });
    const problem = await expectProblem(sync(), 409, "merge_conflict");
    expect(problem["conflicts"]).toEqual([{ paths: ["f"], kind: "modify/modify" }]);
    await expectProblem(sync({ expected_target: "a".repeat(40) }), 412, "stale");
    expect([await inFolder("f"), await inFolder("g")]).toEqual(["mine\n", "base\n"]);
  });

  test("is rejected during a run, without a base branch and without the permission", async () => {
    await others({ f: "theirs\n" });
    const run = "insert into runs (id, org_id, agent_id, kind, status) values ($1, $2, $1, $3, $4)";
    await queryAsOwner(app, run, [workspace.agent_id, orgId, "managed", "running"]);
    await expectProblem(sync(), 409, "run_in_progress");
    await queryAsOwner(app, "delete from runs where agent_id = $1", [workspace.agent_id]);
    await queryAsOwner(app, "update workspaces set base_branch = 'gone' where agent_id = $1", [
      workspace.agent_id,
    ]);
    await expectProblem(sync(), 409, "base_branch_gone");
    const viewer = await app.person("viewer");
    await owner.api.members.add({
      params: { org_id: orgId },
      body: { user_id: viewer.id, role_id: systemRoleIds.viewer },
    });
    await expectProblem(viewer.api.workspaces.sync({ params }), 403, "insufficient_permission");
  });

  test("cannot be reverted, unlike a merge", async () => {
    await others({ f: "theirs\n" });
    const { data } = await sync();
    const of = { params: { ...params, merge_id: data.id as string } };
    await expectProblem(owner.api.workspaces.revertMerge(of), 409, "sync_not_revertible");
  });

  const of = () => ({ app, owner, project, workspace });
  const cutOff = async (moved: { branch: boolean; folder: boolean }): Promise<Merge> => {
    await others({ f: "theirs\n", "d/new": "n\n" });
    return cutOffSync(of(), moved);
  };
  const wholeAgain = async (merge: Merge): Promise<void> => {
    await expectWholeSync(of(), merge);
    expect([await inFolder("f"), await inFolder("d/new")]).toEqual(["theirs\n", "n\n"]);
  };

  test("is completed by the next call after an interruption and keeps later edits", async () => {
    const merge = await cutOff({ branch: true, folder: false });
    // A partial update of the folder, followed by edits of the agent.
    await writeFiles(workspace, { f: "theirs\n", g: "went on\n", own: "o\n" });
    await owner.api.workspaces.changes({ params });
    await wholeAgain(merge);
    const commit = await commitFiles(owner, workspace, {});
    expect(commit).toMatchObject({ created: true, files_changed: 2 });
    expect([await inFolder("g"), await inFolder("own")]).toEqual(["went on\n", "o\n"]);
  });
});
