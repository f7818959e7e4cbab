/** The paths changed by a branch, and a quick check whether two branches can conflict. */
import { assertOid } from "../objects/oid.js";
import { areCommits } from "../objects/commit-reader.js";
import { TreeReader } from "../objects/tree-reader.js";
import { git, GitError } from "../process/run.js";
import { displayPath } from "../files/safe-folder.js";

/** The changes between two commits. A rename counts as one deletion and one addition. */
export interface ChangedPaths {
  /** Paths as in `Conflict.paths`. */
  touched: Set<string>;
  /** The parent folders of all touched paths. */
  folders: Set<string>;
  added: string[];
  /** Folders that lost files while others were added: each may have been renamed. */
  left: Set<string>;
}

/** More changed paths than this are not compared. */
const MAX_PATHS = 5000;

/**
 * Returns the paths changed between two commits (full ids), or null if they are too many to
 * compare.
 */
export async function changedPaths(
  repoPath: string,
  from: string,
  to: string,
): Promise<ChangedPaths | null> {
  assertOid(from);
  assertOid(to);
  const changes = (await readHere(repoPath, from, to)) ?? (await askGit(repoPath, from, to));
  if (changes === null) return null;
  const touched = new Set<string>();
  const deleted: string[] = [];
  const added: string[] = [];
  for (const [bytes, status] of changes) {
    const path = displayPath(bytes);
    touched.add(path);
    if (status === "D") deleted.push(path);
    else if (status === "A") added.push(path);
  }
  return {
    touched,
    folders: foldersOf(touched),
    added,
    left: added.length === 0 ? new Set() : foldersOf(deleted),
  };
}

/** Paths (latin1 bytes) with git's letter of their change. */
type Changes = (readonly [path: string, status: string])[];

/** Changes that are read without starting git. */
const MAX_HERE = 1000;

/** Compares the trees here; null for more changes. */
async function readHere(repoPath: string, from: string, to: string): Promise<Changes | null> {
  if (!(await areCommits(repoPath, [from, to]))) return null;
  const trees = new TreeReader(repoPath);
  const changes = await trees.differingUpTo(MAX_HERE, from, to);
  if (changes === null) return null;
  return [...changes].map(([path, entry]) => {
    if (entry === null) return [path, "D"];
    return [path, trees.findFile(from, path) === null ? "A" : "M"];
  });
}

async function askGit(repoPath: string, from: string, to: string): Promise<Changes | null> {
  const args = ["diff-tree", "-r", "-z", "--no-renames", "--name-status", from, to, "--"];
  let output: string;
  try {
    const { stdout } = await git(args, { gitDir: repoPath, maxOutputBytes: 2 * 1024 * 1024 });
    output = stdout.toString("latin1");
  } catch (error) {
    if (error instanceof GitError && error.reason === "output_too_large") return null;
    throw error;
  }
  const fields = output.split("\0");
  if (fields.length > 2 * MAX_PATHS) return null;
  const changes: Changes = [];
  for (let at = 0; at + 1 < fields.length; at += 2) {
    changes.push([fields[at + 1] ?? "", fields[at] ?? ""]);
  }
  return changes;
}

/** Same contract as `changedPaths`, with an in-memory cache. */
export type ReadChangedPaths = typeof changedPaths;

/**
 * Caches the results of `changedPaths`, least recently used first out. Commits are immutable, so
 * entries never go stale.
 */
export function cachedChangedPaths(maxPaths: number): ReadChangedPaths {
  const kept = new Map<string, ChangedPaths | null>();
  const sizeOf = (paths: ChangedPaths | null): number => (paths?.touched.size ?? 0) + 1;
  let size = 0;
  return async (repoPath, from, to) => {
    const key = `${repoPath} ${from} ${to}`;
    const known = kept.get(key);
    const answer = known === undefined ? await changedPaths(repoPath, from, to) : known;
    if (kept.has(key)) kept.delete(key);
    else size += sizeOf(answer);
    kept.set(key, answer);
    for (const [oldest, paths] of kept) {
      if (size <= maxPaths) break;
      kept.delete(oldest);
      size -= sizeOf(paths);
    }
    return answer;
  };
}

function foldersOf(paths: Iterable<string>): Set<string> {
  const folders = new Set<string>();
  for (const path of paths) {
    for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1)) {
      const folder = path.slice(0, at);
      if (folders.has(folder)) break;
      folders.add(folder);
    }
  }
  return folders;
}

/**
 * Tells whether a merge of two branches may conflict, without reading contents. False is certain;
 * true may be wrong. Branches conflict over a path that both touched, over a file on one side where
 * the other has a folder, or over a file added to a folder that the other side renamed.
 */
export function mayConflict(a: ChangedPaths | null, b: ChangedPaths | null): boolean {
  if (a === null || b === null) return true;
  return reaches(a, b) || reaches(b, a);
}

function reaches(a: ChangedPaths, b: ChangedPaths): boolean {
  const [few, many] =
    a.touched.size <= b.touched.size ? [a.touched, b.touched] : [b.touched, a.touched];
  for (const path of few) if (many.has(path)) return true;
  if (b.folders.size > 0) {
    for (const path of a.touched) if (b.folders.has(path)) return true;
  }
  if (b.left.size > 0) {
    for (const path of a.added) if (isBelow(path, b.left)) return true;
  }
  return false;
}

/** Tells whether a conflict over `paths` involves the given changes. */
export function conflictInvolves(work: ChangedPaths | null, paths: readonly string[]): boolean {
  return (
    work === null ||
    paths.some(
      (path) =>
        work.touched.has(path) ||
        work.folders.has(path) ||
        isBelow(path, work.touched) ||
        isBelow(path, work.left),
    )
  );
}

function isBelow(path: string, folders: ReadonlySet<string>): boolean {
  for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1)) {
    if (folders.has(path.slice(0, at))) return true;
  }
  return false;
}
