/**
 * Turning the files of a folder into a tree of the store. The folder's owner is hostile: git is
 * used by its plumbing alone, with an index outside the folder, and never looks for a repository,
 * a filter or a setting in it (`git add` would: it runs inside nested repositories).
 */
import { copyFile, link, rename } from "node:fs/promises";
import { asideName, removeLeftovers, removeTree } from "./build-aside.js";
import { diffIndex, type DiffStats } from "./diff.js";
import { assertFolder } from "./folder.js";
import { FileTooLargeError, NestedRepositoryError } from "./path-errors.js";
import { repairIndex } from "./repair-index.js";
import { git, GitError, type GitOptions } from "./run.js";
import { displayPath, SafeFolder, type Found } from "./safe-folder.js";
import { updateIndex, writeTree } from "./update-index.js";

export { FolderMissingError, syncFolder, UnsavedChangesError } from "./folder.js";
export {
  FileTooLargeError,
  NestedRepositoryError,
  PathError,
  UnsafePathError,
} from "./path-errors.js";

/** A path of the folder that is not part of the tree, and why. */
export interface SkippedPath {
  path: string;
  reason: "fifo" | "socket" | "device" | "unreadable";
}

/** The state of a folder: its tree, and whether that differs from the parent's. */
export interface Snapshot {
  tree: string;
  changed: boolean;
  /** How much differs from the parent's tree, where that came to light on the way. */
  stats?: DiffStats;
  /** Tracked files that became special files count as deleted; unreadable ones stay as they were. */
  skipped: SkippedPath[];
}

/** What is snapshot, and how. All paths are absolute. */
export interface SnapshotInput {
  store: string;
  folder: string;
  indexFile: string;
  /** The tree to compare with; without it, what the index held before. */
  parentTree?: string;
  /** Bytes of a file that are accepted at most; 100 MiB by default. */
  maxFileBytes?: number;
  signal?: AbortSignal;
  /**
   * Whether a process of the agent may be writing now; true by default. Then every byte that git
   * took is checked to be the folder's own. Only say false when none is alive.
   */
  live?: boolean;
  /** Called, perhaps more than once, when there is something to take and git is at work on it. */
  onChanges?: () => void;
}

const SCAN_BYTES = 512 * 1024 * 1024;
const SCAN_MS = 5 * 60_000;
const ATTEMPTS = 3;

/**
 * Writes what is in the folder as a tree into the store and brings the index up to it. What
 * `.gitignore` names is left out; symbolic links are stored as links and never followed; bytes are
 * stored as they are. Without changes this costs three processes and writes nothing. One call at a
 * time for one folder.
 *
 * Throws FolderMissingError, NestedRepositoryError, FileTooLargeError, UnsafePathError or a
 * GitError; the index is then as it was before.
 */
export async function snapshotFolder(input: SnapshotInput): Promise<Snapshot> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await snapshotOnce(input);
    } catch (error) {
      // Files that come and go under git's hands make it stop: look again.
      const again = error instanceof GitError && error.reason === "exit" && attempt < ATTEMPTS;
      if (!again || input.live === false) throw error;
    }
  }
}

async function snapshotOnce(input: SnapshotInput): Promise<Snapshot> {
  const { store, folder, indexFile, signal } = input;
  await assertFolder(folder);
  const options = {
    gitDir: store,
    workTree: folder,
    timeoutMs: SCAN_MS,
    maxOutputBytes: SCAN_BYTES,
    // Large files are streamed into the store instead of being held in memory.
    config: [["core.bigFileThreshold", "16m"]] as const,
    ...(signal === undefined ? {} : { signal }),
  };
  const scan = await scanFolder({ ...options, indexFile });
  const previous = async (): Promise<string> => writeTree({ ...options, indexFile });
  if (scan.paths.length === 0) {
    const tree = await previous();
    const changed = input.parentTree !== undefined && tree !== input.parentTree;
    return { tree, changed, skipped: scan.skipped };
  }
  const copy = asideName(indexFile, "next");
  const copying = copyIndex(indexFile, copy);
  copying.catch(() => undefined);
  const safe = await SafeFolder.open(folder);
  let done = false;
  try {
    const plan = await inspect(safe, scan.paths, input.maxFileBytes ?? 100 * 1024 * 1024);
    const parentTree = input.parentTree ?? (await previous());
    await copying;
    const next = { ...options, indexFile: copy };
    await updateIndex(next, ["--add", "--replace", "--remove", "--stdin"], plan.take);
    await updateIndex(next, ["--force-remove", "--stdin"], plan.drop);
    const checked = input.live === false ? null : diffIndex(next, parentTree);
    // All are awaited whatever becomes of one: nothing may be at work when the copy goes.
    const [written, difference, told] = await Promise.allSettled([
      writeTree(next),
      checked,
      (async () => input.onChanges?.())(),
    ]);
    valueOf(told);
    let tree = valueOf(written);
    const { entries, stats } = valueOf(difference) ?? { entries: [] };
    const repaired = await repairIndex(safe, next, entries, scan.paths);
    if (repaired) tree = await writeTree(next);
    await rename(copy, indexFile);
    done = true;
    const skipped = [...scan.skipped, ...plan.skipped];
    const counted = repaired || stats === undefined ? {} : { stats };
    return { tree, changed: tree !== parentTree, skipped, ...counted };
  } finally {
    await safe.close();
    if (!done) {
      await copying.catch(() => undefined);
      await removeTree(copy);
      await removeTree(`${copy}.lock`);
    }
  }
}

async function copyIndex(indexFile: string, copy: string): Promise<void> {
  await removeLeftovers(indexFile, "next");
  await link(indexFile, copy).catch(() => copyFile(indexFile, copy));
}

function valueOf<Value>(settled: PromiseSettledResult<Value>): Value {
  if (settled.status === "rejected") throw settled.reason;
  return settled.value;
}

/** The paths (bytes in latin1, sorted) where folder and index differ. Reads no file's content. */
async function scanFolder(
  options: GitOptions,
): Promise<{ paths: string[]; skipped: SkippedPath[] }> {
  const [differing, others] = await Promise.all([
    git(["diff-files", "-z", "--raw", "--ignore-submodules=dirty"], options),
    git(["ls-files", "-z", "--others", "--exclude-standard"], options),
  ]);
  const paths = new Set<string>();
  const fields = differing.stdout.toString("latin1").split("\0");
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const path = fields[at + 1] ?? "";
    const [before, after] = (fields[at] ?? "").split(" ");
    if (after !== "160000") paths.add(path);
    else if (before !== ":160000") throw new NestedRepositoryError(displayPath(path));
  }
  for (const path of others.stdout.toString("latin1").split("\0")) {
    if (path.endsWith("/")) throw new NestedRepositoryError(displayPath(path.slice(0, -1)));
    if (path !== "") paths.add(path);
  }
  const closed = others.stderr.matchAll(/^warning: could not open directory '(.*?)\/?': /gm);
  const skipped = [...closed].map(([, path = ""]) => ({ path, reason: "unreadable" as const }));
  return { paths: [...paths].sort(), skipped };
}

/** Looks at each path without following anything: what git may take, and what is to be dropped. */
async function inspect(
  safe: SafeFolder,
  paths: readonly string[],
  maxFileBytes: number,
): Promise<{ take: string[]; drop: string[]; skipped: SkippedPath[] }> {
  const take: string[] = [];
  const drop: string[] = [];
  const skipped: SkippedPath[] = [];
  for (const path of paths) {
    const found: Found = await safe.find(path);
    if (found.kind === "gone" || found.kind === "folder" || found.kind === "link") {
      // git refuses to look behind a link, also to see that nothing is there any more.
      (found.kind === "gone" && found.behindLink ? drop : take).push(path);
    } else if (found.kind !== "file") {
      drop.push(path);
      skipped.push({ path: displayPath(path), reason: found.kind });
    } else if (found.stats.size > maxFileBytes) {
      throw new FileTooLargeError(displayPath(path), found.stats.size);
    } else if (await safe.isReadable(path)) {
      take.push(path);
    } else {
      skipped.push({ path: displayPath(path), reason: "unreadable" });
    }
  }
  return { take, drop, skipped };
}
