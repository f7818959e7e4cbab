/** The working tree of a run on this machine. */
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { MARKER_NAME } from "#execution/scripts/repository-scripts.js";
import { git, GitError } from "#git/process/run.js";
import { findNearLayer, keepBaseLayer } from "#git/worktree/base-layers.js";
import type { Owner } from "#git/worktree/folder-handle.js";
import { layerOf } from "#git/worktree/overlay-driver.js";
import {
  CHECKOUT,
  LAYERED,
  type WorktreeDriver,
  type WorktreePaths,
} from "#git/worktree/worktree-driver.js";

/** Base layers of a project that stay for the next runs. */
const KEPT_LAYERS = 4;

/**
 * A layer of its own costs a commit as much as the whole project. One that differs less than this from the commit of a
 * kept layer gets that layer, and the files that differ are written into the folder.
 */
const MAX_PATHS = 200;
const MAX_BYTES = 8 * 1024 * 1024;

/**
 * Creates the folder of a run with the files of a commit of the mirror.
 * @param owner who gets the folder, where the driver can give it to others
 * @param hasEnvironment whether an environment layer will be added below it
 * @throws as `WorktreeDriver.create`
 */
export async function createWorkingTree(
  driver: Pick<WorktreeDriver, "name" | "create">,
  places: WorktreePaths,
  commit: string,
  owner: Owner | null,
  hasEnvironment: boolean,
): Promise<void> {
  const nearness = { maxPaths: MAX_PATHS, maxBytes: MAX_BYTES, onlyFiles: hasEnvironment };
  const near =
    driver.name === "checkout" ? null : await findNearLayer({ ...places, commit }, nearness);
  await driver.create({ ...places, commit: near ?? commit, owner });
  if (near !== null && near !== commit) {
    try {
      await git(["read-tree", "-m", "-u", near, commit], {
        gitDir: places.repoPath,
        workTree: places.folder,
        indexFile: places.indexFile,
        config: [...CHECKOUT, ...LAYERED],
        timeoutMs: 60_000,
      });
    } catch (error) {
      if (!(error instanceof GitError)) throw error;
      await driver.create({ ...places, commit, owner });
    }
  }
  const layer = await layerOf(places.overlay);
  if (layer !== null) await keepBaseLayer(places.lowers, layer, KEPT_LAYERS);
}

/**
 * Puts the server's index of a new folder where git expects that of its repository, so that git need not read all
 * files to find that none has changed.
 */
export async function shareIndex({
  folder,
  indexFile,
}: Pick<WorktreePaths, "folder" | "indexFile">): Promise<void> {
  const gitFolder = join(folder, ".git");
  await mkdir(gitFolder);
  // Empty: the repository is not complete.
  await writeFile(join(gitFolder, MARKER_NAME), "");
  await copyFile(indexFile, join(gitFolder, "index"));
}
