/**
 * Takes snapshots of overlays at a cost proportional to the changes: the layers tell where to look
 * (overlay-changes.ts), the parent's tree what was there before. Neither reads nor writes an index.
 */
import { countDiff } from "../diff/diff-counter.js";
import type { Layers } from "../worktree/worktree-driver.js";
import { FolderChange } from "../worktree/folder-change.js";
import type { SnapshotAttempt, Snapshot } from "./snapshot.js";
import type { GitOptions } from "../process/run.js";
import { findOverlayChanges } from "./overlay-changes.js";
import { TreeReader } from "../objects/tree-reader.js";

/** Same as `takeSnapshot`, for a folder with layers. */
export async function snapshotOverlay(
  input: SnapshotAttempt,
  layers: Layers,
  options: GitOptions & { gitDir: string },
): Promise<Snapshot> {
  const { repoPath, folder, parentTree } = input;
  const trees = new TreeReader(repoPath);
  const sinceLayer = await trees.differing(layers.commit, parentTree);
  const change = await FolderChange.open(input, parentTree, trees, options);
  try {
    for await (const touched of findOverlayChanges(folder, layers, sinceLayer, options)) {
      await change.take(touched);
    }
    const { skipped } = change;
    const tokens = input.scan?.found ?? [];
    const tree = await change.writeTree((found) => {
      if (found !== parentTree) input.onTree?.({ tree: found, changed: true, skipped, tokens });
    });
    if (tree === parentTree) return { tree, changed: false, skipped, tokens: [] };
    const stats = await countDiff(repoPath, parentTree, tree);
    return { tree, changed: true, stats, skipped, tokens };
  } finally {
    await change.close();
  }
}
