/**
 * Turning the files of a folder into a tree of the store. The folder's owner is hostile: git is
 * used by its plumbing alone, with an index outside the folder, and never looks for a repository,
 * a filter or a setting in it (`git add` would: it runs inside nested repositories).
 */
import { copyFile, link, rename } from "node:fs/promises";
import { PassThrough } from "node:stream";
import { asideName, exists, removeLeftovers, removeTree } from "./build-aside.js";
import { diffIndex, type DiffStats } from "./diff.js";
import { assertFolder, type Layers } from "./folder.js";
import { snapshotLayers } from "./layered-snapshot.js";
import { FileTooLargeError, MAX_FILE_BYTES, NestedRepositoryError } from "./path-errors.js";
import { fileIds, repairIndex } from "./repair-index.js";
import { git, GitError, type GitOptions } from "./run.js";
import { displayPath, SafeFolder, type Found } from "./safe-folder.js";
import { scanEntries } from "./scan-objects.js";
import type { TokenScan } from "./token-scan.js";
import { inputOf, takePaths, updateIndex, writeTree, type IndexOptions } from "./update-index.js";

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
  /** As the driver's `open`; not needed for a checkout. */
  open?: () => Promise<Layers | null>;
  /** The tree to compare with; without it, what the index held before. */
  parentTree?: string;
  /** Bytes of a file that are accepted at most; 100 MiB by default. */
  maxFileBytes?: number;
  signal?: AbortSignal;
  /** Called, perhaps more than once, when there is something to take and git is at work on it. */
  onChanges?: () => void;
  /** Is given every content that differs from `parentTree`, with its path. */
  scan?: TokenScan;
}

const SCAN_BYTES = 512 * 1024 * 1024;
const SCAN_MS = 5 * 60_000;
const ATTEMPTS = 3;

/**
 * Writes what is in the folder as a tree into the store and brings a checkout's index up to it. What
 * `.gitignore` names is left out; symbolic links are stored as links and never followed; bytes are
 * stored as they are. Without changes nothing is written. One call at a time for one folder. Of a folder
 * with layers the index is left as it is: `syncFolder` brings it up to what it needs.
 *
 * Throws FolderMissingError, a PathError or a GitError; the index is then as it was before.
 */
export async function snapshotFolder(input: SnapshotInput): Promise<Snapshot> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await snapshotOnce(input);
    } catch (error) {
      // Files that come and go under git's hands make it stop: look again.
      const again = error instanceof GitError && error.reason === "exit" && attempt < ATTEMPTS;
      if (!again) throw error;
    }
  }
}

async function snapshotOnce(input: SnapshotInput): Promise<Snapshot> {
  const { store, folder, indexFile, signal } = input;
  const layers = (await input.open?.()) ?? null;
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
  const current = { ...options, indexFile };
  if (input.parentTree !== undefined && !(await exists(indexFile))) {
    await git(["read-tree", input.parentTree], current);
  }
  const parentTree = input.parentTree ?? (await writeTree(current));
  if (layers !== null) {
    await removeLeftovers(indexFile, "next");
    return snapshotLayers({ ...input, parentTree }, layers, options);
  }
  // The first scan ends well before the second: git begins to take what it found.
  const scans: Promise<Scan>[] = [findDiffering(current), findUntracked(current)];
  for (const scan of scans) scan.catch(() => undefined);
  if (!(await findsAnything(scans))) {
    const [tree, found] = [await writeTree(current), await Promise.all(scans)];
    // An earlier snapshot took what differs, and nobody may have looked through it.
    if (input.scan && tree !== parentTree) {
      await scanEntries(current, (await diffIndex(current, parentTree)).entries, input.scan);
    }
    return { tree, changed: tree !== parentTree, skipped: found.flatMap(({ skipped }) => skipped) };
  }
  const copy = asideName(indexFile, "next");
  try {
    await removeLeftovers(indexFile, "next");
    await link(indexFile, copy).catch(() => copyFile(indexFile, copy));
    const snapshot = await takeChanges(input, scans, { ...options, indexFile: copy }, parentTree);
    await rename(copy, indexFile);
    // Where git changed nothing the two are one file, which a rename leaves under both names.
    await removeTree(copy);
    return snapshot;
  } catch (error) {
    await removeTree(copy);
    await removeTree(`${copy}.lock`);
    throw error;
  }
}

async function findsAnything(scans: readonly Promise<Scan>[]): Promise<boolean> {
  for (const scan of scans) {
    if ((await scan).paths.length > 0) return true;
  }
  return false;
}

/** Brings an index up to what the scans find, and says how its tree differs from the parent's. */
async function takeChanges(
  input: SnapshotInput,
  scans: readonly Promise<Scan>[],
  options: IndexOptions,
  parentTree: string,
): Promise<Snapshot> {
  const safe = await SafeFolder.open(input.folder);
  try {
    const taking = new PassThrough().on("error", () => undefined);
    // All are awaited whatever becomes of one: nothing may be at work when the index goes.
    const giving = givePaths(input, safe, scans, taking);
    const [given, taken, told] = await Promise.allSettled([
      giving,
      takePaths(options, taking, parentTree),
      giving.then(() => input.onChanges?.()),
    ]);
    const { paths, drop, skipped, ids } = valueOf(given);
    valueOf(told);
    let { tree, difference } = valueOf(taken);
    if (drop.length > 0) {
      await updateIndex(options, ["--force-remove", "--stdin"], drop);
      ({ tree, difference } = await takePaths(options, inputOf([]), parentTree));
    }
    const { entries } = difference;
    const repaired = await repairIndex(safe, options, entries, paths, ids, input.scan);
    if (input.scan) {
      const seen = new Set(paths);
      const unseen = entries.filter(({ path }) => !seen.has(path));
      await scanEntries(options, unseen, input.scan);
    }
    if (repaired) tree = await writeTree(options);
    const counted = repaired ? {} : { stats: difference.stats };
    return { tree, changed: tree !== parentTree, skipped, ...counted };
  } finally {
    await safe.close();
  }
}

function valueOf<Value>(settled: PromiseSettledResult<Value>): Value {
  if (settled.status === "rejected") throw settled.reason;
  return settled.value;
}

/** Writes to `taking` what of the scans git may take, then reads the ids of the files while git works. */
async function givePaths(
  { scan: tokens, maxFileBytes = MAX_FILE_BYTES }: SnapshotInput,
  safe: SafeFolder,
  scans: readonly Promise<Scan>[],
  taking: PassThrough,
): Promise<Scan & { drop: string[]; ids: Map<string, string | null> }> {
  const all = { paths: [] as string[], drop: [] as string[], skipped: [] as SkippedPath[] };
  const taken: string[] = [];
  try {
    for (const scan of scans) {
      const found = await scan;
      const { paths, skipped } = found;
      const plan = await inspect(safe, found, maxFileBytes);
      taking.write(inputOf(plan.take));
      taken.push(...plan.take);
      all.paths.push(...paths);
      all.drop.push(...plan.drop);
      all.skipped.push(...skipped, ...plan.skipped);
    }
    taking.end();
  } catch (error) {
    taking.destroy(error as Error);
    throw error;
  }
  return { ...all, ids: await fileIds(safe, taken, tokens) };
}

/** Where folder and index differ: paths are bytes in latin1, sorted. */
interface Scan {
  paths: string[];
  skipped: SkippedPath[];
}

/** The tracked paths where folder and index differ. Reads no file's content. */
async function findDiffering(options: GitOptions): Promise<Scan> {
  const args = ["diff-files", "-z", "--raw", "--ignore-submodules=dirty"];
  // Its threads would take the processor from the longer search for what is untracked.
  const config = [["core.preloadIndex", "false"]] as const;
  const fields = (await git(args, { ...options, config })).stdout.toString("latin1").split("\0");
  const paths: string[] = [];
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const path = fields[at + 1] ?? "";
    const [before, after] = (fields[at] ?? "").split(" ");
    if (after !== "160000") paths.push(path);
    else if (before !== ":160000") throw new NestedRepositoryError(displayPath(path));
  }
  return { paths, skipped: [] };
}

/** The paths that the index does not have and that are not ignored. */
async function findUntracked(options: GitOptions): Promise<Scan> {
  const args = ["ls-files", "-z", "--others", "--exclude-standard"];
  const { stdout, stderr } = await git(args, options);
  const paths = stdout.toString("latin1").split("\0").slice(0, -1);
  const nested = paths.find((path) => path.endsWith("/"));
  if (nested !== undefined) throw new NestedRepositoryError(displayPath(nested.slice(0, -1)));
  const closed = stderr.matchAll(/^warning: could not open directory '(.*?)\/?': /gm);
  const skipped = [...closed].map(([, path = ""]) => ({ path, reason: "unreadable" as const }));
  return { paths, skipped };
}

/** Looks at each path without following anything: what git may take, and what is to be dropped. */
async function inspect(
  safe: SafeFolder,
  { paths }: Scan,
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
