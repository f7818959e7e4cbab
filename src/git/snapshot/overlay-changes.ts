/**
 * Finds the paths of an overlay that may differ from its lower layer, at a cost proportional to the
 * changes. The merged folder, which is the agent's view, is walked beside both layers, but only
 * into folders that exist in the upper layer: the rest is untouched.
 *
 * Contents are read from the merged folder; the layers only tell where not to look. Extended
 * attributes are neither needed nor trusted: an upper folder whose merged inode differs from the
 * lower one was created anew or renamed, and is read completely. On file systems with other inode
 * numbering this costs time, but misses nothing.
 */
import { FolderHandle } from "../worktree/folder-handle.js";
import type { Layers } from "../worktree/worktree-driver.js";
import type { CandidatePaths } from "../worktree/folder-change.js";
import { startIgnoreChecker, type IgnoreChecker } from "./check-ignore.js";
import type { GitOptions } from "../process/run.js";
import { GONE, OverlayWalk } from "./overlay-walk.js";
import type { TreeEntry } from "../objects/tree-reader.js";

/**
 * Yields the paths at which the folder and a tree (its parent's) may differ: the contents of the
 * upper layer, and the differences between the tree and the lower layer (`sinceLayer`). Untracked
 * paths that `.gitignore` excludes are left out. Paths that need no ignore check come first, so
 * that the caller works on them while git checks the rest. `options` configure that git process.
 * @throws NestedRepositoryError for a repository in a folder that is not ignored
 * @throws PathTooLongError
 * @throws DotGitFileError
 * @throws GitError
 */
export async function* findOverlayChanges(
  folder: string,
  layers: Layers,
  sinceLayer: ReadonlyMap<string, TreeEntry | null>,
  options: GitOptions,
): AsyncGenerator<CandidatePaths, undefined> {
  const merged = FolderHandle.open(folder);
  const upper = FolderHandle.open(layers.upper);
  const lower = FolderHandle.open(layers.lower);
  let git: IgnoreChecker | undefined;
  try {
    const walk = new OverlayWalk(
      new Map(Array.from(sinceLayer, ([path, to]) => [path, to?.mode ?? GONE] as const)),
    );
    await walk.visit("", merged, { upper, lower, isSame: true });
    for (;;) {
      const unknown = walk.takeUnknown();
      const check =
        unknown.size > 0 ? (git ??= startIgnoreChecker(options)).among([...unknown.keys()]) : null;
      check?.catch(() => undefined);
      yield walk.takeFound();
      if (check === null) return undefined;
      const ignored = await check;
      for (const [path, entry] of unknown)
        if (!ignored.has(path)) await walk.take(path, entry, merged);
    }
  } finally {
    await git?.close();
    for (const handle of [merged, upper, lower]) handle.close();
  }
}
