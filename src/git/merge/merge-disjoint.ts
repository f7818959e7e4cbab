/** Merges changes of different files without starting git. */
import { areCommits } from "../objects/commit-reader.js";
import { patchTree, type Edits } from "../objects/patch-tree.js";
import { FOLDER, TreeReader, withAncestors } from "../objects/tree-reader.js";

/** Files that a side may have changed; git compares more of them faster. */
const MAX_CHANGES = 2000;

/** Two commits and the base of their merge (full ids). */
export interface ThreeCommits {
  base: string;
  target: string;
  source: string;
}

/**
 * Returns the changes of the source that the target lacks if no file was changed by both sides in
 * different ways: git's merge is then the target's tree with these changes. Null where git has to
 * merge: both sides changed one file, need one path for a file and a folder, or one of them added
 * files and deleted others, which git may take for renames.
 * @throws GitError
 */
async function disjointChanges(
  trees: TreeReader,
  { base, target, source }: ThreeCommits,
): Promise<Edits | null> {
  const came = await trees.differingUpTo(MAX_CHANGES, base, source);
  const went = came && (await trees.differingUpTo(MAX_CHANGES, base, target));
  if (!came || !went || mayRename(trees, base, came) || mayRename(trees, base, went)) return null;
  const edits = new Map(came);
  for (const [path, entry] of came) {
    if (!went.has(path)) continue;
    const other = went.get(path);
    if (other?.oid !== entry?.oid || other?.mode !== entry?.mode) return null;
    edits.delete(path);
  }
  await trees.load([{ tree: target, paths: edits.keys() }]);
  for (const [path, entry] of edits) {
    if (entry === null) continue;
    const [own, ...above] = withAncestors(path).map((name) => trees.find(target, name));
    if (own?.mode === FOLDER || above.some((parent) => parent && parent.mode !== FOLDER))
      return null;
  }
  return edits;
}

function mayRename(trees: TreeReader, base: string, changes: Edits): boolean {
  let [added, deleted] = [false, false];
  for (const [path, entry] of changes) {
    if (entry === null) deleted = true;
    else if (trees.findFile(base, path) === null) added = true;
  }
  return added && deleted;
}

/**
 * Writes the merge of changes to different files and returns its tree; null where git has to merge.
 * @throws GitError
 */
export async function mergeDisjoint(
  repoPath: string,
  { base, target, source }: ThreeCommits,
): Promise<string | null> {
  if (!(await areCommits(repoPath, [base, target, source]))) return null;
  const trees = new TreeReader(repoPath);
  const edits = await disjointChanges(trees, { base, target, source });
  return edits && patchTree(repoPath, target, edits, trees);
}
