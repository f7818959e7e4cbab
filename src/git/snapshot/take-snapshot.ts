/**
 * Turns the files of a folder into a tree of the repository. The folder is untrusted: only git
 * plumbing is used, with an index outside the folder, and git never looks for a repository, a
 * filter or a setting in it (`git add` would run inside nested repositories).
 */
import { allOf } from "#shared/node/all-of.js";
import { exists } from "../files/atomic-directory.js";
import { countDiff } from "../diff/diff-counter.js";
import { guardDotGitFiles } from "./dot-git-files.js";
import { FolderChange } from "../worktree/folder-change.js";
import { assertFolder } from "../worktree/worktree-driver.js";
import { snapshotOverlay } from "./overlay-snapshot.js";
import { NextIndex, readIndexTree } from "./next-index.js";
import { NestedRepositoryError, PathTooLongError } from "../files/path-errors.js";
import { git, GitError, type GitOptions } from "../process/run.js";
import { displayPath } from "../files/safe-folder.js";
import type { SnapshotAttempt, SkippedPath, Snapshot, SnapshotOrder } from "./snapshot.js";
import { scanEntries } from "../objects/scan-objects.js";
import { TokenScan } from "../objects/token-scan.js";
import { TreeReader } from "../objects/tree-reader.js";
import { writeTree } from "./update-index.js";

const SCAN_BYTES = 512 * 1024 * 1024;
const SCAN_MS = 5 * 60_000;
const ATTEMPTS = 3;

/**
 * Writes the content of a folder as a tree into the repository and updates the index of a checkout.
 * Ignored paths are left out; symbolic links are stored as links and never followed; bytes are
 * stored unchanged. Without changes, nothing is written. One call at a time per folder. The index
 * of a folder with layers stays unchanged: `syncFolder` updates it when needed.
 * @throws FolderMissingError, a PathError or a GitError; the index is then unchanged
 */
export async function takeSnapshot(order: SnapshotOrder): Promise<Snapshot> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await guardDotGitFiles(order.folder, order.signal, (signal) =>
        snapshotOnce({ ...order, signal }),
      );
    } catch (error) {
      // Concurrent changes of files make git fail: retry.
      const again = error instanceof GitError && error.reason === "exit" && attempt < ATTEMPTS;
      if (!again) throw error;
    }
  }
}

async function snapshotOnce(order: SnapshotOrder): Promise<Snapshot> {
  const { repoPath, folder, indexFile, signal, layers, keyPrefix } = order;
  await assertFolder(folder);
  const options = {
    gitDir: repoPath,
    workTree: folder,
    timeoutMs: SCAN_MS,
    maxOutputBytes: SCAN_BYTES,
    // Large files are streamed into the object store, not held in memory.
    config: [["core.bigFileThreshold", "16m"]] as const,
    ...(signal === undefined ? {} : { signal }),
  };
  const current = { ...options, indexFile };
  if (order.parentTree !== undefined && !(await exists(indexFile))) {
    await git(["read-tree", order.parentTree], current);
  }
  const parentTree = order.parentTree ?? (await writeTree(current));
  const scan = keyPrefix === undefined ? null : new TokenScan(keyPrefix);
  const attempt = { ...order, parentTree, scan };
  if (layers === null) return snapshotCheckout(attempt, options);
  return snapshotOverlay(attempt, layers, options);
}

/**
 * A snapshot of a checkout, whose index tells where to look. The index may be ahead of the parent's
 * tree after an earlier snapshot that was never committed.
 */
async function snapshotCheckout(
  input: SnapshotAttempt,
  options: GitOptions & { gitDir: string },
): Promise<Snapshot> {
  const { repoPath, indexFile, parentTree, scan } = input;
  const current = { ...options, indexFile };
  const [differing, untracked, indexTree] = await allOf(
    findDiffering(current),
    findUntracked(current),
    readIndexTree(current),
  );
  const trees = new TreeReader(repoPath);
  const change = await FolderChange.open(input, indexTree, trees, options);
  const paths = [...differing, ...untracked.paths];
  const next = paths.length === 0 ? null : await NextIndex.begin(indexFile, options);
  try {
    const { skipped } = change;
    skipped.push(...untracked.skipped);
    await change.take({ paths, gone: [], unreadable: [] });
    const tree = await change.writeTree();
    const [stats] = await allOf(
      tree === parentTree ? Promise.resolve(undefined) : countDiff(repoPath, parentTree, tree),
      next?.finish(tree, change.edits, paths.length > UNREFRESHED),
    );
    // An earlier snapshot may not have been scanned.
    if (scan && indexTree !== parentTree) await scanDifference(input, trees, tree, options);
    const tokens = scan?.found ?? [];
    return { tree, changed: tree !== parentTree, skipped, tokens, ...(stats && { stats }) };
  } finally {
    await change.close();
    await next?.close();
  }
}

/**
 * Maximum number of files without recorded times: reading them again is cheaper than a full index
 * refresh.
 */
const UNREFRESHED = 200;

/** Scans all files at which a tree differs from the parent's. */
async function scanDifference(
  { parentTree, scan }: SnapshotAttempt,
  trees: TreeReader,
  tree: string,
  options: GitOptions,
): Promise<void> {
  const differing = await trees.differing(parentTree, tree);
  const entries = [...differing].flatMap(([path, entry]) =>
    entry === null ? [] : [{ path, ...entry }],
  );
  if (scan) await scanEntries(options, entries, scan);
}

/**
 * Returns the tracked paths (latin1 bytes) at which folder and index differ, without reading
 * contents.
 */
async function findDiffering(options: GitOptions): Promise<string[]> {
  const args = ["diff-files", "-z", "--raw", "--ignore-submodules=dirty"];
  // Its threads would compete with the longer search for untracked files.
  const config = [["core.preloadIndex", "false"]] as const;
  const fields = (await git(args, { ...options, config })).stdout.toString("latin1").split("\0");
  const paths: string[] = [];
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const path = fields[at + 1] ?? "";
    const [before, after] = (fields[at] ?? "").split(" ");
    if (after !== "160000") paths.push(path);
    else if (before !== ":160000") throw new NestedRepositoryError(displayPath(path));
  }
  return paths;
}

/**
 * Returns the untracked paths that are not ignored. git holds a descriptor per folder on the way:
 * if it runs out of descriptors or path bytes, the folder is too deep.
 */
async function findUntracked(
  options: GitOptions,
): Promise<{ paths: string[]; skipped: SkippedPath[] }> {
  const args = ["ls-files", "-z", "--others", "--exclude-standard"];
  const { stdout, stderr } = await git(args, options);
  const paths = stdout.toString("latin1").split("\0").slice(0, -1);
  const nested = paths.find((path) => path.endsWith("/"));
  if (nested !== undefined) throw new NestedRepositoryError(displayPath(nested.slice(0, -1)));
  const deep = /^warning: could not open directory '(.*?)\/?': (?:Too many open|File name too)/m;
  const [, deepest] = deep.exec(stderr) ?? [];
  if (deepest !== undefined) throw new PathTooLongError(deepest);
  const closed = stderr.matchAll(/^warning: could not open directory '(.*?)\/?': /gm);
  const skipped = [...closed].map(([, path = ""]) => ({ path, reason: "unreadable" as const }));
  return { paths, skipped };
}
