import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, open, readdir, readFile, rm, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
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
  makeProject,
  makeWorkspace,
  writeFiles,
} from "#test/support/fixtures/factories.js";
import { createGitKey } from "#test/support/git/clone.js";
import { removeDataFolder } from "#test/support/server/data-folder.js";
import { describeEachDriver } from "#test/support/git/folder-drivers.js";
import { git, gitInRepository, repoPathOf } from "#test/support/git/git.js";
import { openObjectBuilder, pushBody, zeroOid } from "#test/support/git/packs.js";

const MiB = 1024 * 1024;

/** Mounts a small file system to fill. Returns the reason if mounting is not permitted. */
function mountSmall(folder: string): string | null {
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=48m,mode=755", "omoi-test", folder], {
      stdio: "pipe",
    });
    return null;
  } catch (error) {
    return (error as Error).message.split("\n", 1)[0] ?? "mount failed";
  }
}

async function findSkipReason(): Promise<string | null> {
  const folder = await mkdtemp(join(tmpdir(), "omoi-small-"));
  const reason = mountSmall(folder);
  await removeDataFolder(folder).catch(() => {});
  if (reason === null) execFileSync("umount", [folder]);
  await rm(folder, { recursive: true, force: true });
  return reason;
}
const reason = await findSkipReason();

describe.skipIf(reason !== null)(`a full disk ${reason ?? ""}`, () => {
  describeEachDriver("workspaces", (driver) => {
    let dataDir: string;
    let app: TestApp;
    let owner: TestPerson;
    let project: Project;
    let workspace: Workspace;
    beforeEach(async () => {
      dataDir = await mkdtemp(join(tmpdir(), "omoi-small-"));
      mountSmall(dataDir);
      app = await startTestApp({ OMOI_DATA_DIR: dataDir, OMOI_FOLDER_DRIVER: driver });
      owner = await app.person("owner");
      project = await makeProject(owner, (await makeOrganization(owner)).id);
      ({ workspace } = await makeWorkspace(owner, project.id));
    });
    afterEach(async () => {
      await app.close();
      // Removes nested mounts; the small file system itself is unmounted last.
      await removeDataFolder(dataDir).catch(() => {});
      execFileSync("umount", [dataDir]);
      await rm(dataDir, { recursive: true });
    });

    const at = () => ({ agent_id: workspace.agent_id });
    const commit = () =>
      owner.api.workspaces.createCommit({ params: at(), body: { commit_type: "checkpoint" } });
    const read = async () => (await owner.api.workspaces.get({ params: at() })).data;

    /** Fills the disk up to the given number of free bytes. Returns a function that frees the space. */
    async function fill(left = 0): Promise<() => Promise<void>> {
      const path = join(dataDir, "filler");
      const file = await open(path, "w");
      try {
        for (;;) {
          const { bavail, bsize } = await statfs(dataDir);
          const room = bavail * bsize - left;
          if (room <= 0) break;
          await file.write(Buffer.alloc(Math.min(room, MiB)));
        }
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
      }
      await file.close();
      return () => rm(path);
    }

    test("a commit is rejected, leaves the workspace unchanged and succeeds later without loss", async () => {
      const { commit_sha } = await commitFiles(owner, workspace, { "a.txt": "a\n" });
      const content = randomBytes(600_000).toString("hex");
      await writeFiles(workspace, { "b.txt": content });
      const free = await fill();
      const problem = await expectProblem(commit(), 507, "no_space");
      expect(problem.detail).toContain("free some space");
      const before = await read();
      expect([before.status, before.head_commit, before.counts.commits]).toEqual([
        "active",
        commit_sha,
        1,
      ]);
      expect(await readFile(join(folderOf(workspace), "b.txt"), "utf8")).toBe(content);
      await expectProblem(commit(), 507, "no_space");
      await free();
      expect((await commit()).data).toMatchObject({ created: true, files_changed: 1 });
      expect(await gitInRepository(app, project, "show", `${workspace.branch_name}:b.txt`)).toBe(
        content,
      );
      await git(["--git-dir", repoPathOf(app, project), "fsck", "--strict", "--no-dangling"]);
    });

    test("a push that does not fit is rejected, leaves no files and does not delay a shutdown", async () => {
      const forge = openObjectBuilder();
      const blob = forge.object("blob", randomBytes(8 * MiB));
      const tree = forge.tree([["100644", "big.bin", blob]]);
      const commit = forge.commit(tree);
      const body = pushBody(
        [[zeroOid, commit, "refs/heads/big"]],
        forge.pack([blob, tree, commit]),
      );
      forge.dispose();
      const key = await createGitKey(owner);
      const push = async (): Promise<string> => {
        const headers = {
          authorization: `Bearer ${key}`,
          "content-type": "application/x-git-receive-pack-request",
        };
        const url = `${project.clone_url}/git-receive-pack`;
        const sent = { method: "POST", headers, body: Buffer.from(body) };
        return (await fetch(url, sent)).text();
      };
      const before = await gitInRepository(
        app,
        project,
        "cat-file",
        "--batch-all-objects",
        "--batch-check",
      );
      for (const left of [2 * MiB, 0]) {
        const free = await fill(left);
        expect(await push()).toContain("disk is full");
        expect(await readdir(join(repoPathOf(app, project), "incoming"))).toEqual([]);
        await free();
      }
      const after = await gitInRepository(
        app,
        project,
        "cat-file",
        "--batch-all-objects",
        "--batch-check",
      );
      expect(after).toBe(before);
      expect(await gitInRepository(app, project, "for-each-ref", "refs/heads/big")).toBe("");
      expect(await push()).toContain("ok refs/heads/big");
    });

    test("a workspace that could not be created leaves no files and can be created later", async () => {
      await commitFiles(owner, workspace, { "big.bin": randomBytes(3 * MiB).toString("hex") });
      await owner.api.workspaces.createMerge({ params: at() });
      const agent = await makeAgent(owner, project.id);
      const params = { agent_id: agent.id };
      const free = await fill(2 * MiB);
      await expectProblem(owner.api.workspaces.create({ params }), 507, "no_space");
      const { data: failed } = await owner.api.workspaces.get({ params });
      expect(failed.status).toBe("failed");
      expect(failed.error).toContain("disk is full");
      const { bavail, bsize } = await statfs(dataDir);
      expect(bavail * bsize).toBeGreaterThan(1.5 * MiB);
      await free();
      const { data: made } = await owner.api.workspaces.create({ params });
      expect(made.status).toBe("active");
      const big = await readFile(join(folderOf(made), "big.bin"));
      expect(big.length).toBe(6 * MiB);
    });

    test("a sync whose files do not fit is completed once space is free", async () => {
      const { workspace: other } = await makeWorkspace(owner, project.id);
      const text = randomBytes(2 * MiB).toString("hex");
      await commitFiles(owner, other, { "big.txt": text });
      await owner.api.workspaces.createMerge({ params: { agent_id: other.agent_id } });
      await writeFiles(workspace, { "mine.txt": "mine\n" });
      await commit();
      const free = await fill(MiB);
      await expectProblem(owner.api.workspaces.sync({ params: at() }), 507, "no_space");
      await free();
      expect((await commit()).data.created).toBe(false);
      expect(await readFile(join(folderOf(workspace), "big.txt"), "utf8")).toBe(text);
      expect(await readFile(join(folderOf(workspace), "mine.txt"), "utf8")).toBe("mine\n");
      const { data: merges } = await owner.api.workspaces.merges({ params: at() });
      expect(merges.map(({ kind }) => kind)).toEqual(["sync"]);
    });
  });
});
