import { execFileSync } from "node:child_process";
import { lstat, mkdir, open, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Workspace } from "#shared/api/code/workspaces.js";
import type { Project } from "#shared/api/code/projects.js";
import { MAX_PATH_BYTES, MAX_PATH_DEPTH } from "#git/files/path-errors.js";
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
  makeProject,
  makeWorkspace,
  writeFiles,
} from "#test/support/fixtures/factories.js";
import { describeEachDriver, deleteFolder } from "#test/support/git/folder-drivers.js";
import { git, gitInRepository, makeTempFolder } from "#test/support/git/git.js";

describeEachDriver("a folder with hostile content", (driver) => {
  let app: TestApp;
  let owner: TestPerson;
  let orgId: string;
  let project: Project;
  let workspace: Workspace;
  beforeAll(async () => {
    app = await startTestApp({ OMOI_FOLDER_DRIVER: driver });
    owner = await app.person("owner");
    orgId = (await makeOrganization(owner)).id;
  });
  beforeEach(async () => {
    project = await makeProject(owner, orgId);
    ({ workspace } = await makeWorkspace(owner, project.id));
  });
  afterAll(() => app.close());

  const commit = () =>
    owner.api.workspaces.createCommit({
      params: { agent_id: workspace.agent_id },
      body: { commit_type: "checkpoint" },
    });
  const inside = (path: string): string => join(folderOf(workspace), path);
  const tracked = () => gitInRepository(app, project, "ls-tree", "-r", workspace.branch_name);

  test("a nested repository is rejected by path, and the commit succeeds after its removal", async () => {
    await writeFiles(workspace, { "vendor/lib/a.txt": "a\n" });
    await git(["init", "--quiet", inside("vendor/lib")]);
    const problem = await expectProblem(commit(), 422, "nested_repository");
    expect(problem["path"]).toBe("vendor/lib");
    expect(problem.detail).toContain("vendor/lib");
    await rm(inside("vendor/lib/.git"), { recursive: true });
    expect((await commit()).data.files_changed).toBe(1);
  });

  test("a file of more than 100 MiB is rejected by path; one of exactly 100 MiB is accepted", async () => {
    const file = await open(inside("big.bin"), "w");
    await file.truncate(100 * 1024 * 1024 + 1);
    const problem = await expectProblem(commit(), 422, "file_too_large");
    expect(problem["path"]).toBe("big.bin");
    await expectProblem(
      owner.api.workspaces.previewMerge({ params: { agent_id: workspace.agent_id } }),
      422,
      "file_too_large",
    );
    await file.truncate(100 * 1024 * 1024);
    await file.close();
    expect((await commit()).data).toMatchObject({ created: true, files_changed: 1 });
  });

  test("a symbolic link is stored as a link and never followed", async () => {
    const outside = await makeTempFolder();
    await writeFile(join(outside, "secret"), "the server's secret\n");
    await symlink(join(outside, "secret"), inside("link"));
    await symlink(outside, inside("folder"));
    const made = await commit();
    expect(made.data.files_changed).toBe(2);
    expect((await tracked()).split("\n").map((line) => line.slice(0, 6))).toEqual([
      "120000",
      "120000",
    ]);
    const blobs = await gitInRepository(app, project, "show", `${workspace.branch_name}:link`);
    expect(blobs).toBe(join(outside, "secret"));
    const params = { agent_id: workspace.agent_id, sha: made.data.commit_sha };
    const { data } = await owner.api.workspaces.diff({ params });
    expect(JSON.stringify(data)).not.toContain("the server's secret");
    await rm(outside, { recursive: true });
  });

  test("a directory replaced by a link shows its files as deleted and is not followed", async () => {
    await commitFiles(owner, workspace, { "src/a.txt": "a\n", "b.txt": "b\n" });
    const outside = await makeTempFolder();
    await writeFile(join(outside, "a.txt"), "not yours\n");
    await rm(inside("src"), { recursive: true });
    await symlink(outside, inside("src"));
    expect((await commit()).data.created).toBe(true);
    const listed = (await tracked()).split("\n").map((line) => line.replace(/ .*\t/, " "));
    expect(listed).toEqual(["100644 b.txt", "120000 src"]);
    await rm(outside, { recursive: true });
  });

  test("a path that git rejects is named, and nothing is committed", async () => {
    const before = await gitInRepository(app, project, "rev-parse", workspace.branch_name);
    for (const path of [".GIT/config", "src/git~1/config"]) {
      await writeFiles(workspace, { [path]: "[core]\n\tfsmonitor = touch /tmp/owned\n" });
      const problem = await expectProblem(commit(), 422, "unsafe_path");
      expect(problem["path"]).toBe(path);
      await rm(inside(path.split("/")[0] as string), { recursive: true });
    }
    expect(await gitInRepository(app, project, "rev-parse", workspace.branch_name)).toBe(before);
    expect((await commit()).data.created).toBe(false);
  });

  /**
   * Creates nested directories and a file. Works from the inside, because no path could name the
   * innermost one.
   */
  const makeDeep = (top: string, folders: number): void => {
    const script = `for (let at = 0; at < ${folders}; at += 1) {
      fs.mkdirSync("d");
      process.chdir("d");
    }
    fs.writeFileSync("file", "");`;
    execFileSync(process.execPath, ["-e", script], { cwd: inside(top) });
  };
  const isThere = (path: string): Promise<boolean> =>
    lstat(path).then(
      () => true,
      () => false,
    );

  test("a path at the limits of depth and length is accepted; a longer one is rejected by path", async () => {
    const deepest = `${"d/".repeat(MAX_PATH_DEPTH - 1)}file`;
    const longest = `${"n".repeat(254)}/`.repeat(12) + "n".repeat(MAX_PATH_BYTES - 12 * 255);
    await writeFiles(workspace, { [deepest]: "", [longest]: "" });
    expect((await commit()).data.files_changed).toBe(2);
    for (const path of [`d/${deepest}`, `${longest}n`]) {
      await writeFiles(workspace, { [path]: "" });
      const problem = await expectProblem(commit(), 422, "unsafe_path");
      expect(problem["path"]).toBe(path.slice(0, (problem["path"] as string).length));
      expect(problem.detail).toContain("128 levels or longer than 3072 bytes");
      await rm(inside(path));
      if (path.startsWith("d/"))
        await rm(inside(path.slice(0, -"/file".length)), { recursive: true });
      await writeFiles(workspace, { [deepest]: "" });
      expect((await commit()).data.created).toBe(false);
    }
  });

  test("2,000 nested directories are rejected by path and can be ignored, archived and removed", async () => {
    makeDeep(".", 2000);
    const problem = await expectProblem(commit(), 422, "unsafe_path");
    expect(problem["path"]).toMatch(/^d(?:\/d){127,}/);
    const params = { agent_id: workspace.agent_id };
    await expectProblem(owner.api.workspaces.archive({ params }), 422, "unsafe_path");
    await expectProblem(owner.api.agents.delete({ params }), 422, "unsafe_path");
    await writeFiles(workspace, { ".gitignore": "/d/\n" });
    expect((await commit()).data.files_changed).toBe(1);
    await owner.api.workspaces.archive({ params });
    expect(await isThere(folderOf(workspace))).toBe(false);

    const { workspace: other } = await makeWorkspace(owner, project.id);
    workspace = other;
    makeDeep(".", 300);
    await writeFiles(workspace, { ".gitignore": "/d/\n" });
    await owner.api.agents.delete({ params: { agent_id: workspace.agent_id } });
    await expect.poll(() => isThere(folderOf(workspace))).toBe(false);

    ({ workspace } = await makeWorkspace(owner, project.id));
    makeDeep(".", 2050);
    await owner.api.projects.delete({ params: { project_id: project.id } });
    await expect.poll(() => isThere(folderOf(workspace))).toBe(false);
  });

  test("the agent's git settings, hooks and filters run nothing on the server", async () => {
    const marker = join(await makeTempFolder(), "ran");
    const run = `touch ${marker}`;
    await git(["init", "--quiet", folderOf(workspace)]);
    for (const [key, value] of [
      ["core.fsmonitor", run],
      ["filter.evil.clean", run],
      ["diff.evil.textconv", run],
      ["diff.external", run],
      ["core.hooksPath", inside("hooks")],
    ] as const) {
      // The folder belongs to another user, which git would reject.
      const args = ["-c", "safe.directory=*", "config", key, value];
      await git(args, { cwd: folderOf(workspace) });
    }
    await mkdir(inside("hooks"));
    await writeFile(inside("hooks/pre-commit"), `#!/bin/sh\n${run}\n`, { mode: 0o755 });
    await writeFiles(workspace, {
      ".gitattributes": "* filter=evil diff=evil merge=evil\n",
      "a.txt": "a\n",
    });
    // A `.git` at the top of the folder belongs to the agent and is not part of its work.
    const { data } = await commit();
    expect(data.created).toBe(true);
    const params = { agent_id: workspace.agent_id, sha: data.commit_sha };
    await owner.api.workspaces.diff({ params });
    await owner.api.workspaces.changes({ params });
    await owner.api.workspaces.createMerge({ params: { agent_id: workspace.agent_id } });
    expect(await tracked()).not.toContain(".git/");
    await expect(open(marker)).rejects.toThrow("ENOENT");
    await rm(join(marker, ".."), { recursive: true });
  });

  test("a file replaced by a pipe is reported as skipped and counts as deleted", async () => {
    await commitFiles(owner, workspace, { pipe: "a file\n", "a.txt": "a\n" });
    await rm(inside("pipe"));
    execFileSync("mkfifo", [inside("pipe")]);
    const { data } = await commit();
    expect(data.skipped).toEqual([{ path: "pipe", reason: "fifo" }]);
    expect((await tracked()).split("\t").slice(1)).toEqual(["a.txt"]);
  });

  test.each([".gitignore", "sub/.gitattributes"])(
    "%s as a pipe, a directory or a huge file is rejected by path and blocks nothing",
    async (path) => {
      await commitFiles(owner, workspace, { "a.txt": "a\n", "sub/b.txt": "b\n" });
      await writeFiles(workspace, { "c.txt": "c\n", "sub/new/d.txt": "d\n" });
      const agent = { agent_id: workspace.agent_id };
      const refused = async (): Promise<void> => {
        for (const call of [
          commit,
          () => owner.api.workspaces.changes({ params: agent }),
          () => owner.api.workspaces.createMerge({ params: agent }),
        ]) {
          const problem = await expectProblem(call(), 422, "unsafe_path");
          expect(problem["path"]).toBe(path);
          expect(problem.detail).toContain("remove it");
        }
        await rm(inside(path), { recursive: true });
      };
      execFileSync("mkfifo", [inside(path)]);
      // In a checkout git reads no attributes and lists no pipes.
      if (driver === "overlay" || path === ".gitignore") await refused();
      else await rm(inside(path));
      await mkdir(inside(path));
      await writeFile(join(inside(path), "e.txt"), "e\n");
      if (driver === "overlay") await refused();
      else await rm(inside(path), { recursive: true });
      await writeFile(inside(path), "#".repeat(1024 * 1024 + 1));
      await refused();
      await writeFile(inside(path), "#".repeat(1024 * 1024));
      expect((await commit()).data.files_changed).toBe(3);
    },
  );

  test("a missing folder, or a link in its place, is 409 and changes no branch", async () => {
    await commitFiles(owner, workspace, { "a.txt": "a\n" });
    const before = await gitInRepository(app, project, "rev-parse", workspace.branch_name);
    const folder = folderOf(workspace);
    if (driver === "overlay") {
      // A missing folder is mounted again from its layers, but never through a link.
      await deleteFolder(folder);
      expect((await commit()).data.created).toBe(false);
      await deleteFolder(folder);
      await mkdir(`${folder}-away`);
    } else {
      await rename(folder, `${folder}-away`);
      await expectProblem(commit(), 409, "workspace_not_active");
    }
    await symlink(`${folder}-away`, folder);
    await expectProblem(commit(), 409, "workspace_not_active");
    const params = { agent_id: workspace.agent_id };
    await expectProblem(owner.api.workspaces.changes({ params }), 409, "workspace_not_active");
    await expectProblem(owner.api.workspaces.createMerge({ params }), 409, "workspace_not_active");
    expect(await gitInRepository(app, project, "rev-parse", workspace.branch_name)).toBe(before);
    await rm(folder);
    if (driver === "overlay") await rm(`${folder}-away`, { recursive: true });
    else await rename(`${folder}-away`, folder);
    expect((await commit()).data.created).toBe(false);
  });
});
