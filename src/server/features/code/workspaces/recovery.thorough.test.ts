import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
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
} from "#test/support/fixtures/factories.js";
import { deleteFolder } from "#test/support/git/folder-drivers.js";
import { gitInRepository } from "#test/support/git/git.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { workspaceLock } from "./workspace.js";

/** Each test reproduces the state of a process killed at one instant, then starts another process. */
describe("recovery after a killed process", () => {
  let app: TestApp;
  let owner: TestPerson;
  let orgId: string;
  let project: Project;
  let workspace: Workspace;
  beforeAll(async () => {
    app = await startTestApp();
    owner = await app.person("owner");
    orgId = (await makeOrganization(owner)).id;
  });
  beforeEach(async () => {
    project = await makeProjectWith(owner, orgId, { "a.txt": "base\n" });
    ({ workspace } = await makeWorkspace(owner, project.id));
  });
  afterAll(() => app.close());

  const restart = async () => (await app.sibling()).close();
  const at = () => ({ agent_id: workspace.agent_id });
  const commits = async () =>
    (await owner.api.workspaces.commits({ params: at(), query: {} })).data.map((c) => c.commit_sha);
  const merges = async () =>
    (await owner.api.workspaces.merges({ params: at(), query: {} })).data.map(({ id }) => id);
  const tip = (branch: string) =>
    gitInRepository(app, project, "rev-parse", `refs/heads/${branch}`);

  /**
   * Reproduces a commit that was not recorded yet: its row is `pending`, and its branch may not have
   * moved.
   */
  async function cutOffCommit(moved: boolean): Promise<string> {
    const before = await tip(workspace.branch_name);
    const tree = await gitInRepository(app, project, "rev-parse", `${before}^{tree}`);
    const { commit_sha } = await commitFiles(owner, workspace, { "a.txt": "changed\n" });
    await queryAsOwner(
      app,
      "update workspace_commits set state = 'pending' where commit_sha = $1",
      [commit_sha],
    );
    await queryAsOwner(app, "delete from received_commits where commit_sha = $1", [commit_sha]);
    await queryAsOwner(
      app,
      "update workspaces set head_commit = $1, head_tree = $2 where agent_id = $3",
      [before, tree, workspace.agent_id],
    );
    const ref = `refs/heads/${workspace.branch_name}`;
    if (!moved) await gitInRepository(app, project, "update-ref", ref, before);
    return commit_sha;
  }

  test.each([true, false])("completes or rolls back a commit (branch moved: %s)", async (moved) => {
    const sha = await cutOffCommit(moved);
    expect(await commits()).toEqual([]);
    await restart();
    expect(await commits()).toEqual(moved ? [sha] : []);
    const { data } = await owner.api.workspaces.get({ params: at() });
    expect(data.head_commit).toBe(await tip(workspace.branch_name));
    const received = await queryAsOwner(app, "select from received_commits where commit_sha = $1", [
      sha,
    ]);
    expect(received).toHaveLength(moved ? 1 : 0);
    // In either case the content of the folder is kept.
    expect((await mergeIntoBase(owner, workspace)).status).toBe("clean");
    expect(await gitInRepository(app, project, "show", "main:a.txt")).toBe("changed");
  });

  test.each([true, false])(
    "another running process recovers the commit, too (branch moved: %s)",
    async (moved) => {
      const sha = await cutOffCommit(moved);
      await owner.api.workspaces.changes({ params: at() });
      expect(await commits()).toEqual(moved ? [sha] : []);
      const next = await commitFiles(owner, workspace, { "b.txt": "b\n" });
      expect(await commits()).toEqual(moved ? [next.commit_sha, sha] : [next.commit_sha]);
      expect(await tip(workspace.branch_name)).toBe(next.commit_sha);
    },
  );

  test.each([true, false])("completes or rolls back a merge (target moved: %s)", async (moved) => {
    await commitFiles(owner, workspace, { "a.txt": "changed\n" });
    const before = await tip("main");
    const merge = await mergeIntoBase(owner, workspace);
    await queryAsOwner(app, "update merges set state = 'pending' where id = $1", [merge.id]);
    await queryAsOwner(app, "delete from received_commits where commit_sha = $1", [
      merge.merge_commit_sha,
    ]);
    if (!moved) await gitInRepository(app, project, "update-ref", "refs/heads/main", before);
    expect(await merges()).toEqual([]);
    await restart();
    expect(await merges()).toEqual(moved ? [merge.id] : []);
    expect(await queryAsOwner(app, "select from merges where state <> 'done'")).toEqual([]);
    const again = (await owner.api.workspaces.createMerge({ params: at() })).data;
    expect(again.status).toBe(moved ? "up_to_date" : "clean");
    expect(await gitInRepository(app, project, "show", "main:a.txt")).toBe("changed");
  });

  test("keeps a commit that its process recorded while the recovery waited", async () => {
    const first = await commitFiles(owner, workspace, { "b.txt": "1\n" });
    const second = await commitFiles(owner, workspace, { "b.txt": "2\n" });
    const setState = (state: string) =>
      queryAsOwner(app, "update workspace_commits set state = $1 where commit_sha = $2", [
        state,
        first.commit_sha,
      ]);
    await setState("pending");
    let starting: Promise<TestApp> | undefined;
    await app.db.locks(orgId, [workspaceLock(workspace.agent_id)], async () => {
      starting = app.sibling();
      const waiting = "select from pg_locks where locktype = 'advisory' and not granted";
      while ((await queryAsOwner(app, waiting)).length === 0);
      await setState("recorded");
    });
    await (await starting)?.close();
    const { data } = await owner.api.workspaces.get({ params: at() });
    expect(data.head_commit).toBe(second.commit_sha);
    expect(await commits()).toEqual([second.commit_sha, first.commit_sha]);
  });

  test("completes a merge that later merges build on", async () => {
    await commitFiles(owner, workspace, { "b.txt": "b\n" });
    const merge = await mergeIntoBase(owner, workspace);
    await queryAsOwner(app, "update merges set state = 'pending' where id = $1", [merge.id]);
    const other = (await makeWorkspace(owner, project.id)).workspace;
    await commitFiles(owner, other, { "c.txt": "c\n" });
    await mergeIntoBase(owner, other);
    await restart();
    expect(await merges()).toEqual([merge.id]);
  });

  test.each(["nothing", "the branch", "the branch and the folder"])(
    "completes a workspace of which only %s existed",
    async (there) => {
      await queryAsOwner(
        app,
        `update workspaces set status = 'creating', head_commit = null, head_tree = null,
           parent_commit = null where agent_id = $1`,
        [workspace.agent_id],
      );
      if (there === "nothing") {
        await gitInRepository(
          app,
          project,
          "update-ref",
          "-d",
          `refs/heads/${workspace.branch_name}`,
        );
      }
      if (there !== "the branch and the folder") {
        await deleteFolder(folderOf(workspace));
      }
      await expectProblem(
        owner.api.workspaces.changes({ params: at() }),
        409,
        "workspace_not_active",
      );
      await restart();
      const { data } = await owner.api.workspaces.get({ params: at() });
      const main = await tip("main");
      expect(data).toMatchObject({ status: "active", head_commit: main, parent_commit: main });
      expect(await readdir(folderOf(workspace))).toEqual(["a.txt"]);
      expect(await readFile(join(folderOf(workspace), "a.txt"), "utf8")).toBe("base\n");
      expect((await commitFiles(owner, workspace, { "b.txt": "b\n" })).files_changed).toBe(1);
    },
  );

  test("completes an empty project whose repository did not exist yet", async () => {
    await queryAsOwner(
      app,
      "update projects set status = 'importing', progress = 0, imported_at = null where id = $1",
      [project.id],
    );
    const params = { project_id: project.id };
    expect((await owner.api.projects.get({ params })).data.status).toBe("importing");
    await restart();
    const { data } = await owner.api.projects.get({ params });
    expect([data.status, data.progress]).toEqual(["ready", 100]);
  });

  test("a workspace that cannot be recovered does not affect the others", async () => {
    const other = (await makeWorkspace(owner, project.id)).workspace;
    for (const { agent_id } of [workspace, other]) {
      await queryAsOwner(app, "update workspaces set status = 'creating' where agent_id = $1", [
        agent_id,
      ]);
    }
    await gitInRepository(app, project, "update-ref", "-d", `refs/heads/${workspace.branch_name}`);
    await queryAsOwner(app, "update workspaces set base_branch = 'gone' where agent_id = $1", [
      workspace.agent_id,
    ]);
    await restart();
    const { data: failed } = await owner.api.workspaces.get({ params: at() });
    expect([failed.status, failed.error]).toEqual([
      "failed",
      "The base branch gone no longer exists.",
    ]);
    const { data } = await owner.api.workspaces.get({ params: { agent_id: other.agent_id } });
    expect(data.status).toBe("active");
    // A failed workspace can be created again.
    const { data: anew } = await owner.api.workspaces.create({ params: at() });
    expect([anew.status, anew.error, anew.base_branch]).toEqual(["active", null, "main"]);
  });
});
