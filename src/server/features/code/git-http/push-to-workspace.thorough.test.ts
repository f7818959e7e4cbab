import { readFile, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { openCloneFactory, createGitKey, type Clone } from "#test/support/git/clone.js";
import {
  commitFiles,
  folderOf,
  makeAgent,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
  mergeIntoBase,
  writeFiles,
} from "#test/support/fixtures/factories.js";
import { deleteFolder } from "#test/support/git/folder-drivers.js";
import { git, gitInRepository, repoPathOf } from "#test/support/git/git.js";
import { queryAsOwner } from "#test/support/database/queries.js";

describe("a push to a workspace's branch", () => {
  let app: TestApp;
  let owner: TestPerson;
  let org: Organization;
  let project: Project;
  let agent: Agent;
  let workspace: Workspace;
  let branch: string;
  let key: string;
  let clones: Awaited<ReturnType<typeof openCloneFactory>>;
  let clone: Clone;
  beforeAll(async () => {
    app = await startTestApp();
    owner = await app.person("owner");
    org = await makeOrganization(owner);
    key = await createGitKey(owner);
    clones = await openCloneFactory();
  });
  beforeEach(async () => {
    project = await makeProjectWith(owner, org.id, { "a.txt": "a\n", "src/b.txt": "b\n" });
    ({ agent, workspace } = await makeWorkspace(owner, project.id));
    branch = workspace.branch_name;
    clone = await clones.clone(project.clone_url, key, "--branch", branch);
  });
  afterAll(async () => {
    await app.close();
    await clones.dispose();
  });

  const at = () => ({ agent_id: agent.id });
  const tip = (name: string) => gitInRepository(app, project, "rev-parse", `refs/heads/${name}`);
  const commits = async () =>
    (await owner.api.workspaces.commits({ params: at(), query: {} })).data;
  const file = (path: string) => readFile(join(folderOf(workspace), path), "utf8");
  const remote = async () => {
    agent = await makeAgent(owner, project.id);
    const body = { workspace_type: "remote" } as const;
    workspace = (await owner.api.workspaces.create({ params: at(), body })).data;
    branch = workspace.branch_name;
    clone = await clones.clone(project.clone_url, key, "--branch", branch);
  };

  test("is recorded commit by commit as manual, and the folder follows", async () => {
    await clone.commit({ "a.txt": "one\n" }, "First\n\nWith a body.");
    await clone.git("rm", "--quiet", "src/b.txt");
    const second = await clone.commit({ "new/c.txt": "1\n2\n" }, "Second");
    const { code, stderr } = await clone.push(branch);
    expect([code, stderr]).toEqual([0, expect.stringContaining(`${branch} -> ${branch}`)]);
    expect(await commits()).toMatchObject([
      {
        commit_sha: second,
        commit_type: "manual",
        iteration: null,
        message: "Second",
        files_changed: 2,
        additions: 2,
        deletions: 1,
      },
      { commit_type: "manual", message: "First\n\nWith a body.", files_changed: 1 },
    ]);
    const { data } = await owner.api.workspaces.get({ params: at() });
    expect(data).toMatchObject({ head_commit: second, counts: { commits: 2 } });
    expect(await file("a.txt")).toBe("one\n");
    expect((await readdir(folderOf(workspace))).sort()).toEqual(["a.txt", "new"]);
    const body = { commit_type: "checkpoint" } as const;
    const { data: nothing } = await owner.api.workspaces.createCommit({ params: at(), body });
    expect(nothing).toMatchObject({ created: false, commit_sha: second });
    const { data: diff } = await owner.api.workspaces.diff({ params: { ...at(), sha: second } });
    expect(diff.files.map(({ path }) => path)).toEqual(["new/c.txt", "src/b.txt"]);
    expect((await mergeIntoBase(owner, workspace)).status).toBe("clean");
    expect(await gitInRepository(app, project, "show", "main:new/c.txt")).toBe("1\n2");
  });

  test("that merges main brings the merge and its own commits", async () => {
    const own = await clone.commit({ "own.txt": "own\n" });
    await clone.git("checkout", "--quiet", "main");
    await clone.commit({ "main.txt": "main\n" });
    expect((await clone.push("main")).code).toBe(0);
    await clone.git("checkout", "--quiet", branch);
    await clone.git("merge", "--quiet", "--no-edit", "main");
    const merge = await clone.git("rev-parse", "HEAD");
    expect((await clone.push(branch)).code).toBe(0);
    expect(await commits()).toMatchObject([
      { commit_sha: merge, files_changed: 1, additions: 1 },
      { commit_sha: own },
    ]);
    expect(await file("main.txt")).toBe("main\n");
  });

  test("is rejected while the folder has uncommitted changes, which stay", async () => {
    await writeFiles(workspace, { "a.txt": "unsaved\n" });
    await clone.commit({ "b.txt": "pushed\n" });
    const before = await tip(branch);
    const { code, stderr } = await clone.push(branch);
    expect([code, stderr]).toEqual([1, expect.stringContaining("uncommitted changes")]);
    expect(await tip(branch)).toBe(before);
    expect(await file("a.txt")).toBe("unsaved\n");
    await commitFiles(owner, workspace, {});
    expect((await clone.push(branch)).stderr).toMatch(/fetch first|the branch has changed/);
    await clone.git("pull", "--quiet", "--rebase", "origin", branch);
    expect((await clone.push(branch)).code).toBe(0);
    expect(await file("b.txt")).toBe("pushed\n");
  });

  test("is rejected while a command may be writing there, or the folder is missing", async () => {
    await clone.commit({ "b.txt": "pushed\n" });
    await queryAsOwner(
      app,
      `insert into runs (id, org_id, agent_id, kind, status) values (gen_random_uuid(), $1, $2, 'managed', 'running')`,
      [org.id, agent.id],
    );
    expect((await clone.push(branch)).stderr).toContain("a command is running in the workspace");
    await queryAsOwner(
      app,
      "update runs set status = 'stopped', ended_at = now() where agent_id = $1",
      [agent.id],
    );
    await deleteFolder(folderOf(workspace));
    // An overlay would be reassembled, but not where a link is in its place.
    await symlink("elsewhere", folderOf(workspace));
    expect((await clone.push(branch)).stderr).toContain("folder is missing");
    expect(await commits()).toEqual([]);
  });

  test("only moves forward, and only while the workspace is active", async () => {
    await clone.commit({ "b.txt": "1\n" });
    await clone.push(branch);
    await clone.git("commit", "--quiet", "--amend", "--message", "rewritten");
    expect((await clone.push("--force", branch)).stderr).toContain("cannot be rewritten");
    expect((await clone.push("--delete", branch)).stderr).toContain("a push cannot delete refs");
    await clone.git("reset", "--quiet", "--hard", "HEAD^");
    await owner.api.workspaces.archive({ params: at() });
    const next = await clone.push(`HEAD:refs/heads/${branch}`);
    expect(next.stderr).toContain("no workspace has this branch");
    await owner.api.workspaces.restore({ params: at() });
    expect((await commits()).map(({ message }) => message)).toEqual(["work"]);
  });

  test("adds commits to a remote workspace", async () => {
    await remote();
    const head = await clone.commit({ "a.txt": "from afar\n" });
    expect((await clone.push(branch)).code).toBe(0);
    expect(await commits()).toMatchObject([{ commit_sha: head, commit_type: "manual" }]);
    const { data: changes } = await owner.api.workspaces.changes({ params: at() });
    expect(changes.files).toMatchObject([{ path: "a.txt", status: "modified" }]);
    const { data: preview } = await owner.api.workspaces.previewMerge({ params: at() });
    expect(preview.status).toBe("clean");
    expect((await owner.api.workspaces.createMerge({ params: at() })).data.status).toBe("clean");
    expect(await gitInRepository(app, project, "show", "main:a.txt")).toBe("from afar");
    await owner.api.workspaces.archive({ params: at() });
    await owner.api.workspaces.restore({ params: at() });
    expect(await tip(branch)).toBe(head);
  });

  test("records commits of an earlier workspace again", async () => {
    const head = await clone.commit({ "b.txt": "again\n" });
    await clone.push(branch);
    await owner.api.workspaces.archive({ params: at() });
    const body = { workspace_type: "remote" } as const;
    await owner.api.workspaces.create({ params: at(), body });
    expect(await commits()).toEqual([]);
    expect((await clone.push(branch)).code).toBe(0);
    expect((await commits()).map(({ commit_sha }) => commit_sha)).toEqual([head]);
  });

  test("resolves conflicts by receive time, not by commit dates", async () => {
    await remote();
    await clone.commit({ "a.txt": "pushed first\n" });
    const forged = "2099-01-01T00:00:00Z";
    await clone.git("commit", "--quiet", "--amend", "--no-edit", `--date=${forged}`);
    expect((await clone.push(branch)).code).toBe(0);
    const other = await makeWorkspace(owner, project.id);
    await commitFiles(owner, other.workspace, { "a.txt": "committed later\n" });
    await mergeIntoBase(owner, other.workspace);
    const { data: merge } = await owner.api.workspaces.createMerge({ params: at() });
    expect(merge.resolutions).toMatchObject([{ paths: ["a.txt"], winner: "target" }]);
    expect(await gitInRepository(app, project, "show", "main:a.txt")).toBe("committed later");
  });

  test("races with checkpoints, syncs and merges without losing anything", async () => {
    const acknowledged: string[] = [];
    const push = async (path: string) => {
      await clone.commit({ [path]: "pushed\n" });
      for (;;) {
        if ((await clone.push(branch)).code === 0) break;
        await clone.git("pull", "--quiet", "--rebase", "origin", branch);
      }
      acknowledged.push(await clone.git("rev-parse", "HEAD"));
    };
    const params = at();
    const work = async (path: string) => {
      acknowledged.push(
        (await commitFiles(owner, workspace, { [path]: "committed\n" })).commit_sha,
      );
      await owner.api.workspaces.createMerge({ params });
      const { data: synced } = await owner.api.workspaces.sync({ params });
      if (synced.merge_commit_sha !== null) acknowledged.push(synced.merge_commit_sha);
    };
    const names = Array.from({ length: 5 }, (_, round) => `${round}.txt`);
    const inTurn = async (operation: (path: string) => Promise<void>, prefix: string) => {
      for (const name of names) await operation(`${prefix}-${name}`);
    };
    await Promise.all([inTurn(push, "pushed"), inTurn(work, "committed")]);
    const listed = (await commits()).map(({ commit_sha }) => commit_sha);
    const line = await gitInRepository(
      app,
      project,
      "log",
      "--first-parent",
      "--format=%H",
      branch,
      `^${workspace.parent_commit}`,
    );
    expect(listed).toEqual(line.split("\n"));
    expect(listed).toEqual(expect.arrayContaining(acknowledged));
    const files = (await gitInRepository(app, project, "ls-tree", "--name-only", branch)).split(
      "\n",
    );
    expect(files).toEqual(
      expect.arrayContaining(names.flatMap((name) => [`pushed-${name}`, `committed-${name}`])),
    );
    for (const name of names) expect(await file(`pushed-${name}`)).toBe("pushed\n");
    expect(await queryAsOwner(app, "select from pending_pushes")).toEqual([]);
  });

  describe("that was interrupted", () => {
    /** The state after the rows are written: the ref may have moved, and the folder may have followed. */
    async function cutOff(moved: boolean, followed: boolean): Promise<string> {
      const before = await tip(branch);
      const tree = await gitInRepository(app, project, "rev-parse", `${before}^{tree}`);
      await clone.commit({ "a.txt": "one\n" });
      const head = await clone.commit({ "new.txt": "new\n" });
      expect((await clone.push(branch)).code).toBe(0);
      await queryAsOwner(
        app,
        "update workspace_commits set state = 'pending' where agent_id = $1",
        [agent.id],
      );
      await queryAsOwner(
        app,
        "update workspaces set head_commit = $1, head_tree = $2 where agent_id = $3",
        [before, tree, agent.id],
      );
      await queryAsOwner(
        app,
        `insert into pending_pushes (id, org_id, project_id, agent_id, ref, old_sha, new_sha, origin)
         values (gen_random_uuid(), $1, $2, $3, $4, $5, $6, $7)`,
        [
          org.id,
          project.id,
          agent.id,
          `refs/heads/${branch}`,
          before,
          head,
          JSON.stringify({
            actor: { userId: owner.id, agent: null, key: null },
            ip: null,
            requestId: "cut-off",
          }),
        ],
      );
      if (!followed) {
        await rm(join(folderOf(workspace), "new.txt"));
        await writeFile(join(folderOf(workspace), "a.txt"), "a\n");
        const index = join(app.dataDir, "indexes", org.id, `${agent.id}.index`);
        const env = { GIT_INDEX_FILE: index, GIT_WORK_TREE: folderOf(workspace) };
        await git(["--git-dir", repoPathOf(app, project), "read-tree", before], { env });
      }
      if (!moved) await gitInRepository(app, project, "update-ref", `refs/heads/${branch}`, before);
      return head;
    }

    const settled = async (head: string, moved: boolean) => {
      expect(await queryAsOwner(app, "select from pending_pushes")).toEqual([]);
      expect((await commits()).map(({ commit_sha }) => commit_sha)).toHaveLength(moved ? 2 : 0);
      const { data } = await owner.api.workspaces.get({ params: at() });
      expect(data.head_commit).toBe(await tip(branch));
      if (moved) expect([await tip(branch), await file("new.txt")]).toEqual([head, "new\n"]);
    };

    test.each([
      [true, true],
      [true, false],
      [false, false],
    ])("is recovered after its branch moved (%s) and the folder followed (%s)", async (...how) => {
      const head = await cutOff(...how);
      await (await app.sibling()).close();
      await settled(head, how[0]);
      const { data: events } = await owner.api.audit.list({ params: { org_id: org.id } });
      if (how[0]) {
        expect(events[0]).toMatchObject({
          action: "project.pushed",
          actor: { id: owner.id },
          request_id: "cut-off",
        });
      }
      expect((await mergeIntoBase(owner, workspace)).status).toBe(how[0] ? "clean" : "up_to_date");
    });

    test("is recovered by the next operation there", async () => {
      const head = await cutOff(true, false);
      const commit = await commitFiles(owner, workspace, { "later.txt": "x\n" });
      expect(await gitInRepository(app, project, "rev-parse", `${commit.commit_sha}^`)).toBe(head);
      expect((await commits()).map(({ commit_sha }) => commit_sha)).toHaveLength(3);
      expect(await queryAsOwner(app, "select from pending_pushes")).toEqual([]);
    });
  });
});
