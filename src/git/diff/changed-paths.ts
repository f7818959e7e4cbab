/** Which paths a line of work touched, and whether two such lines can conflict at all. */
import { assertOid } from "../store/bare-repository.js";
import { git, GitError } from "../process/run.js";
import { displayPath } from "../worktree/safe-folder.js";

/** What changed between two commits; renames are a file that went and one that came. */
export interface ChangedPaths {
  /** Text as in `Conflict.paths`. */
  touched: Set<string>;
  /** The folders above what was touched. */
  folders: Set<string>;
  added: string[];
  /** The folders that files left while others came: one of them may have been renamed. */
  left: Set<string>;
}

/** Above so many they are not compared any more. */
const MAX_PATHS = 5000;

/** What changed from one commit to another (full ids); null where it is too much to compare. */
export async function changedPaths(
  repoPath: string,
  from: string,
  to: string,
): Promise<ChangedPaths | null> {
  assertOid(from);
  assertOid(to);
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
  const touched = new Set<string>();
  const deleted: string[] = [];
  const added: string[] = [];
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const path = displayPath(fields[at + 1] ?? "");
    touched.add(path);
    if (fields[at] === "D") deleted.push(path);
    else if (fields[at] === "A") added.push(path);
  }
  return {
    touched,
    folders: foldersOf(touched),
    added,
    left: added.length === 0 ? new Set() : foldersOf(deleted),
  };
}

/** Answers as `changedPaths`, from memory where it was asked before. */
export type ReadChangedPaths = typeof changedPaths;

/** Keeps what changed between two commits, which stays as it is; what was not asked for longest goes. */
export function rememberChangedPaths(maxPaths: number): ReadChangedPaths {
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
 * Whether a merge of two lines of work may conflict: where it says no, git finds none. It compares no
 * contents. Two lines conflict over a path that both touched, a file of one where the other has a
 * folder, or a file that came into a folder which the other renamed.
 */
export function mayConflict(one: ChangedPaths | null, other: ChangedPaths | null): boolean {
  if (one === null || other === null) return true;
  return reaches(one, other) || reaches(other, one);
}

function reaches(one: ChangedPaths, other: ChangedPaths): boolean {
  const [few, many] =
    one.touched.size <= other.touched.size
      ? [one.touched, other.touched]
      : [other.touched, one.touched];
  for (const path of few) if (many.has(path)) return true;
  if (other.folders.size > 0) {
    for (const path of one.touched) if (other.folders.has(path)) return true;
  }
  if (other.left.size > 0) {
    for (const path of one.added) if (isBelow(path, other.left)) return true;
  }
  return false;
}

/** Whether a conflict over some paths is about a line of work. */
export function isAbout(work: ChangedPaths | null, paths: readonly string[]): boolean {
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
