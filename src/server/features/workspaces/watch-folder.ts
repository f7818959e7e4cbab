/** Having an agent's folder follow its branch, once that has moved by itself. */
import {
  FolderMissingError,
  syncFolder,
  UnsavedChangesError,
} from "#git/worktree/folder-driver.js";
import { applyDecisions, computeMerge } from "#git/merge/merge.js";
import { commitTree, OMOI, resolveTree } from "#git/store/repository.js";
import { snapshotFolder } from "#git/snapshot/snapshot-folder.js";
import { removeStaleLock } from "#git/store/stale-locks.js";
import type { placesOf } from "./workspace.js";

/**
 * Moves the folder from one commit to another. What was written there meanwhile, or what a move that
 * was cut off has left half done, is merged into it, and is unsaved work afterwards.
 */
export async function followFolder(
  places: ReturnType<typeof placesOf>,
  from: string,
  to: string,
): Promise<void> {
  const { repoPath, indexFile } = places;
  await removeStaleLock(`${indexFile}.lock`);
  try {
    await syncFolder({ ...places, fromCommit: from, toCommit: to });
  } catch (error) {
    // Whoever works in the workspace next is told that its folder is gone; the branch is whole.
    if (error instanceof FolderMissingError) return;
    if (!(error instanceof UnsavedChangesError)) throw error;
    const parentTree = await resolveTree(repoPath, from);
    const { tree } = await snapshotFolder({ ...places, parentTree });
    const commit = (files: string, parent: string): Promise<string> =>
      commitTree(repoPath, {
        tree: files,
        parents: [parent],
        message: "Unsaved work",
        author: OMOI,
        date: new Date(),
      });
    const held = await commit(tree, from);
    const merged = await computeMerge(repoPath, to, held, from);
    const decisions = merged.conflicts.map(() => ({ take: "source" }) as const);
    const labels = { source: "unsaved", target: "newer" };
    const wanted = await applyDecisions(repoPath, merged, decisions, labels);
    await syncFolder({
      ...places,
      fromCommit: held,
      toCommit: await commit(wanted.tree, to),
      force: true,
    });
  }
}
