import {
  chmod,
  lstat,
  mkdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { DataProcesses } from "#git/merge/merge.js";
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
  makeAgent,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
  mergeIntoBase,
  writeFiles,
} from "#test/support/fixtures/factories.js";
import { describeEachDriver, deleteFolder } from "#test/support/git/folder-drivers.js";
import { git, gitInRepository } from "#test/support/git/git.js";
import { noLeaks } from "#test/support/git/no-leaks.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { checkoutDriver } from "#git/worktree/worktree-driver.js";
import { storageIn } from "../../../../data-folder/storage.js";
import { expireArchives } from "./expire-archives.js";

describeEachDriver("archived workspaces", (driver) => {
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
    project = await makeProjectWith(owner, orgId, { "a.txt": "base\n", ".gitignore": "*.log\n" });
    ({ workspace } = await makeWorkspace(owner, project.id));
  });
  afterAll(() => app.close());

  const at = () => ({ agent_id: workspace.agent_id });
  const archive = (person = owner) => person.api.workspaces.archive({ params: at() });
  const restore = (person = owner) => person.api.workspaces.restore({ params: at() });
  const read = async () => (await owner.api.workspaces.get({ params: at() })).data;
  const refs = (prefix: string) =>
    gitInRepository(app, project, "for-each-ref", "--format=%(objectname) %(refname)", prefix);
  const isThere = (path: string) =>
    lstat(path).then(
      () => true,
      () => false,
    );
  const endAll = (server: TestApp = app) =>
    expireArchives(
      {
        db: server.db,
        storage: storageIn(app.dataDir),
        jobs: { send: async () => {} },
        driver: checkoutDriver,
        runUids: null,
        dataProcesses: new DataProcesses(),
        leaks: noLeaks,
        log: pino({ level: "silent" }),
      },
      pino({ level: "silent" }),
    );
  const age = (days: number) =>
    queryAsOwner(
      app,
      "update archives set archived_at = archived_at - make_interval(days => $2) where agent_id = $1",
      [workspace.agent_id, days],
    );
  const actions = async () =>
    (await owner.api.audit.list({ params: { org_id: orgId }, query: {} })).data
      .filter(({ target }) => target.type === "workspace" && target.id === workspace.agent_id)
      .map(({ action }) => action);

  test("are restored byte for byte, without files ignored by .gitignore", async () => {
    const folder = folderOf(workspace);
    const bytes = Buffer.from([0, 13, 10, 255, 13, 0]);
    await writeFiles(workspace, { "a.txt": "mine\r\n", ".gitattributes": "* text eol=lf\n" });
    await writeFile(join(folder, "run.sh"), "#!/bin/sh\n");
    await chmod(join(folder, "run.sh"), 0o755);
    await mkdir(join(folder, "deep/er"), { recursive: true });
    await writeFile(join(folder, "deep/er/bytes.bin"), bytes);
    await writeFile(join(folder, "deep/noise.log"), "noise");
    await symlink("../a.txt", join(folder, "deep/link"));
    await archive();

    expect(await isThere(folder)).toBe(false);
    const current = await read();
    expect(current.status).toBe("archived");
    const ends = Date.parse(current.retention_ends_at as string);
    expect(ends - Date.parse(current.archived_at as string)).toBe(30 * 86_400_000);
    expect(await refs(`refs/heads/${workspace.branch_name}`)).toBe("");
    expect(await refs("refs/archive/")).toContain(`${current.head_commit} refs/archive/`);
    const body = { commit_type: "manual" } as const;
    for (const call of [
      () => owner.api.workspaces.changes({ params: at() }),
      () => owner.api.workspaces.createMerge({ params: at() }),
      () => owner.api.workspaces.createCommit({ params: at(), body }),
    ]) {
      await expectProblem(call(), 409, "workspace_not_active");
    }
    const { data: commits } = await owner.api.workspaces.commits({ params: at(), query: {} });
    expect(commits.map(({ commit_sha }) => commit_sha)).toEqual([current.head_commit]);

    const { data: back } = await restore();
    expect(back).toMatchObject({ status: "active", archived_at: null, retention_ends_at: null });
    expect(await readFile(join(folder, "a.txt"), "utf8")).toBe("mine\r\n");
    expect(await readFile(join(folder, "deep/er/bytes.bin"))).toEqual(bytes);
    expect((await lstat(join(folder, "run.sh"))).mode & 0o777).toBe(0o755);
    expect(await readlink(join(folder, "deep/link"))).toBe("../a.txt");
    expect(await isThere(join(folder, "deep/noise.log"))).toBe(false);
    expect(await refs("refs/archive/")).toBe("");
    expect(await refs(`refs/heads/${workspace.branch_name}`)).toContain(current.head_commit);
    expect((await actions()).slice(0, 2)).toEqual(["workspace.restored", "workspace.archived"]);
    expect((await commitFiles(owner, workspace, { "b.txt": "b\n" })).files_changed).toBe(1);
    expect((await mergeIntoBase(owner, workspace)).status).toBe("clean");
  });

  test("unsaved work is saved even if auto_checkpoint is off", async () => {
    const body = { settings: { auto_checkpoint: false } };
    await owner.api.workspaces.update({ params: at(), body });
    await writeFiles(workspace, { "new.txt": "unsaved\n" });
    await archive();
    await restore();
    expect(await readFile(join(folderOf(workspace), "new.txt"), "utf8")).toBe("unsaved\n");
  });

  test("an archive whose work cannot be saved is rejected with the path and changes nothing", async () => {
    await git(["init", "--quiet", join(folderOf(workspace), "sub")]);
    await writeFile(join(folderOf(workspace), "sub/file"), "x");
    const problem = await expectProblem(archive(), 422, "nested_repository");
    expect(problem["path"]).toContain("sub");
    expect((await read()).status).toBe("active");
    expect(await isThere(join(folderOf(workspace), "sub/file"))).toBe(true);
  });

  test("a missing folder has nothing to save", async () => {
    const { commit_sha } = await commitFiles(owner, workspace, { "b.txt": "b\n" });
    await deleteFolder(folderOf(workspace));
    await archive();
    expect((await restore()).data.head_commit).toBe(commit_sha);
    expect(await readFile(join(folderOf(workspace), "b.txt"), "utf8")).toBe("b\n");
  });

  test("a working agent is not disturbed", async () => {
    const { data: run } = await owner.api.runs.create({ params: at(), body: { external: true } });
    await writeFiles(workspace, { "b.txt": "half\n" });
    await expectProblem(archive(), 409, "agent_running");
    expect((await read()).counts.commits).toBe(0);
    await owner.api.runs.stop({ params: { run_id: run.id }, body: { status: "stopped" } });
    await archive();
    expect((await read()).counts.commits).toBe(1);
  });

  test("missing ones are 404, active ones cannot be restored, and archiving twice has no effect", async () => {
    await expectProblem(restore(), 409, "workspace_not_archived");
    const agent = await makeAgent(owner, project.id);
    const params = { agent_id: agent.id };
    await expectProblem(owner.api.workspaces.archive({ params }), 404, "workspace_missing");
    await expectProblem(owner.api.workspaces.restore({ params }), 404, "workspace_missing");
    await archive();
    await archive();
    expect(await actions()).toEqual(["workspace.archived", "workspace.created"]);
  });

  test("a new workspace starts from the base; the old commits are kept but not listed", async () => {
    const { commit_sha: old } = await commitFiles(owner, workspace, { "a.txt": "old life\n" });
    await archive();
    const { data: anew } = await owner.api.workspaces.create({ params: at() });
    expect(anew).toMatchObject({ status: "active", archived_at: null, counts: { commits: 0 } });
    expect(await readFile(join(folderOf(workspace), "a.txt"), "utf8")).toBe("base\n");
    expect(await refs("refs/archive/")).toContain(old);
    expect((await owner.api.workspaces.commits({ params: at(), query: {} })).data).toEqual([]);
    await expectProblem(restore(), 409, "workspace_not_archived");
    const { commit_sha: young } = await commitFiles(owner, workspace, { "a.txt": "new life\n" });
    await archive();
    expect((await restore()).data.head_commit).toBe(young);
    await age(31);
    await endAll();
    expect(await refs("refs/archive/")).toContain(old);
  });

  test("a child of an archived parent starts from the archived state", async () => {
    await commitFiles(owner, workspace, { "a.txt": "parent's\n" });
    await archive();
    const child = await makeAgent(owner, project.id, workspace.agent_id);
    const { data } = await owner.api.workspaces.create({ params: { agent_id: child.id } });
    expect(data.parent_commit).toBe((await read()).head_commit);
    expect(await readFile(join(folderOf(data), "a.txt"), "utf8")).toBe("parent's\n");
  });

  test("ten concurrent calls archive and restore once, and nothing is lost", async () => {
    await writeFiles(workspace, { "b.txt": "unsaved\n" });
    const archivings = await Promise.allSettled(Array.from({ length: 5 }, () => archive()));
    expect(archivings.map(({ status }) => status)).toEqual(Array(5).fill("fulfilled"));
    const restorings = await Promise.allSettled(Array.from({ length: 5 }, () => restore()));
    expect(restorings.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    await Promise.allSettled([archive(), restore(), archive(), restore()]);
    const { status } = await read();
    if (status === "archived") await restore();
    expect(await readFile(join(folderOf(workspace), "b.txt"), "utf8")).toBe("unsaved\n");
    expect(await refs("refs/archive/")).toBe("");
  });

  test("a concurrent start of a run leaves the workspace either archived or active", async () => {
    const start = owner.api.runs.create({ params: at(), body: { external: true } });
    const [archived] = await Promise.allSettled([archive(), start]);
    expect((await read()).status).toBe(archived.status === "fulfilled" ? "archived" : "active");
  });

  describe("when retention ends", () => {
    test("merged work is deleted by one of two processes: 410, and a new workspace can be created", async () => {
      await commitFiles(owner, workspace, { "a.txt": "merged\n" });
      await mergeIntoBase(owner, workspace);
      await archive();
      await age(29);
      await endAll();
      expect((await read()).status).toBe("archived");
      await age(2);
      const other = await app.sibling();
      await Promise.all([endAll(), endAll(other), endAll(), endAll(other)]);
      await other.close();
      expect(await refs("refs/archive/")).toBe("");
      await expectProblem(owner.api.workspaces.get({ params: at() }), 410, "workspace_expired");
      await expectProblem(restore(), 410, "workspace_expired");
      const { data: agent } = await owner.api.agents.get({ params: at() });
      expect(agent.workspace_branch).toBeNull();
      expect((await owner.api.workspaces.create({ params: at() })).data.status).toBe("active");
      expect(await readFile(join(folderOf(workspace), "a.txt"), "utf8")).toBe("merged\n");
    });

    test("unmerged work is kept and can be restored until it is merged", async () => {
      const { commit_sha } = await commitFiles(owner, workspace, { "a.txt": "unmerged\n" });
      await archive();
      await age(400);
      await endAll();
      const current = await read();
      expect(current.status).toBe("archived");
      expect(Date.parse(current.retention_ends_at as string)).toBeLessThan(Date.now());
      expect(await refs("refs/archive/")).toContain(commit_sha);
      await restore();
      await mergeIntoBase(owner, workspace);
      await archive();
      await age(31);
      await endAll();
      await expectProblem(restore(), 410, "workspace_expired");
    });

    test("a longer retention applies to workspaces that are already archived", async () => {
      await archive();
      await age(31);
      const body = { settings: { retention_days: 60 } };
      await owner.api.workspaces.update({ params: at(), body });
      await endAll();
      expect((await restore()).data.status).toBe("active");
    });

    test("a concurrent restore yields the whole workspace or 410", async () => {
      await archive();
      await age(31);
      const [restored] = await Promise.allSettled([restore(), endAll()]);
      if (restored.status === "fulfilled") {
        expect((await read()).status).toBe("active");
        expect(await isThere(join(folderOf(workspace), "a.txt"))).toBe(true);
      } else {
        await expectProblem(owner.api.workspaces.get({ params: at() }), 410, "workspace_expired");
      }
    });
  });

  /** Each test reproduces the state of a process killed at one instant, then starts another process. */
  describe("recovery after a killed process", () => {
    const restart = async () => (await app.sibling()).close();
    const setStatus = (status: string) =>
      queryAsOwner(app, "update workspaces set status = $1 where agent_id = $2", [
        status,
        workspace.agent_id,
      ]);
    const row = async () =>
      (
        await queryAsOwner<{ archive_id: string; tip: string }>(
          app,
          "select a.id as archive_id, a.tip from archives a where a.agent_id = $1",
          [workspace.agent_id],
        )
      )[0] as { archive_id: string; tip: string };
    const branch = () => `refs/heads/${workspace.branch_name}`;

    test.each(["the note", "the reference", "the folder"])(
      "completes an archiving that was interrupted after %s",
      async (after) => {
        await commitFiles(owner, workspace, { "b.txt": "b\n" });
        await archive();
        const { archive_id, tip } = await row();
        const hidden = `refs/archive/${workspace.agent_id}/${archive_id}`;
        if (after === "the note") {
          await gitInRepository(app, project, "update-ref", branch(), tip);
          await gitInRepository(app, project, "update-ref", "-d", hidden);
        }
        if (after !== "the folder") await writeFiles(workspace, { "b.txt": "b\n" });
        await setStatus("archiving");
        expect((await read()).status).toBe("archived");
        await restart();
        expect(await isThere(folderOf(workspace))).toBe(false);
        expect(await refs(branch())).toBe("");
        expect(await refs("refs/archive/")).toBe(`${tip} ${hidden}`);
        expect((await restore()).data.status).toBe("active");
      },
    );

    test.each(["the note", "the reference", "the folder"])(
      "completes a restore that was interrupted after %s",
      async (after) => {
        await commitFiles(owner, workspace, { "b.txt": "b\n" });
        await archive();
        const { archive_id, tip } = await row();
        if (after !== "the note") {
          await gitInRepository(app, project, "update-ref", branch(), tip);
          const hidden = `refs/archive/${workspace.agent_id}/${archive_id}`;
          await gitInRepository(app, project, "update-ref", "-d", hidden);
        }
        if (after === "the folder") await writeFiles(workspace, { "half.txt": "h\n" });
        await setStatus("restoring");
        expect((await read()).status).toBe("creating");
        await restart();
        expect((await read()).status).toBe("active");
        expect(await refs(branch())).toContain(tip);
        expect(await refs("refs/archive/")).toBe("");
        expect(await isThere(join(folderOf(workspace), "half.txt"))).toBe(false);
        expect((await owner.api.workspaces.changes({ params: at() })).data.files).toHaveLength(1);
      },
    );

    test("completes an end of retention that was interrupted after its reference was deleted", async () => {
      await archive();
      const { archive_id } = await row();
      await gitInRepository(
        app,
        project,
        "update-ref",
        "-d",
        `refs/archive/${workspace.agent_id}/${archive_id}`,
      );
      expect((await restore()).data.status).toBe("active");
      await archive();
      await age(31);
      const { archive_id: second } = await row();
      await gitInRepository(
        app,
        project,
        "update-ref",
        "-d",
        `refs/archive/${workspace.agent_id}/${second}`,
      );
      await endAll();
      await expectProblem(restore(), 410, "workspace_expired");
    });
  });

  test("a folder that cannot be created leaves the workspace archived, with the reason", async () => {
    await commitFiles(owner, workspace, { "b.txt": "b\n" });
    await archive();
    // A file blocks the parent folder of all of the organization's workspaces.
    const parent = join(folderOf(workspace), "..");
    const aside = `${parent}.aside`;
    await rename(parent, aside);
    await writeFile(parent, "in the way");
    await expectProblem(restore(), 500, "internal");
    const current = await read();
    expect([current.status, current.error]).toEqual([
      "archived",
      "The folder could not be created; the operator can find the cause in the server's log.",
    ]);
    await rm(parent);
    await rename(aside, parent);
    expect((await restore()).data).toMatchObject({ status: "active", error: null });
  });
});
