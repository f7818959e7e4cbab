/** The working tree of a pod: the folder is a volume, which cannot be renamed, and has one tree in its life. */
import { mkdir, readdir } from "node:fs/promises";
import { dirname } from "node:path";
import { git } from "#git/process/run.js";
import { assertOid } from "#git/objects/oid.js";
import { removeTree } from "#git/files/atomic-directory.js";
import { CHECKOUT, checkoutDriver, type WorktreeDriver } from "#git/worktree/worktree-driver.js";

/** Environments are made in place (`setUpInPod`), and the volume ends with the pod. */
export const mountedWorktreeDriver: WorktreeDriver = {
  ...checkoutDriver,

  /** No command of the pod may have run: git follows what it finds. */
  async create({ repoPath, commit, folder, indexFile }) {
    assertOid(commit);
    for (const name of await readdir(folder, { encoding: "buffer" })) {
      await removeTree(Buffer.concat([Buffer.from(`${folder}/`), name]));
    }
    await mkdir(dirname(indexFile), { recursive: true });
    await git(["read-tree", "--reset", "-u", commit], {
      gitDir: repoPath,
      workTree: folder,
      indexFile,
      config: CHECKOUT,
      timeoutMs: 10 * 60_000,
    });
    return "checkout";
  },

  remove: async () => undefined,
};
