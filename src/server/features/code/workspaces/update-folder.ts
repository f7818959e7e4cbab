/** Updates an agent's folder after its branch has moved. */
import {
  FolderMissingError,
  syncFolder,
  UnsavedChangesError,
} from "#git/worktree/worktree-driver.js";
import { applyDecisions, computeMerge } from "#git/merge/merge.js";
import { commitTree, OMOI, resolveTree } from "#git/store/repository.js";
import { snapshotFolder } from "#git/snapshot/snapshot-folder.js";
import { removeStaleLock } from "#git/store/stale-locks.js";
import type { placesOf } from "./workspace.js";

/**
 * Moves the folder from one commit to another. Concurrent edits and the remains of an interrupted move
 * are merged into it and become uncommitted changes.
 */
export async function updateFolder(
  places: ReturnType<typeof placesOf> & { owner: string },
  from: string,
  to: string,
): Promise<void> {
  const { repoPath, indexFile } = places;
  await removeStaleLock(`${indexFile}.lock`);
  try {
    await syncFolder({ ...places, fromCommit: from, toCommit: to });
  } catch (error) {
    // The next operation reports the missing folder; the branch is intact.
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
