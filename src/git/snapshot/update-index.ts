/** Changing an index by plumbing. */
import { removeTree } from "../worktree/atomic-directory.js";
import { UnsafePathError } from "./path-errors.js";
import { git, type GitOptions } from "../process/run.js";

/**
 * Runs `update-index -z` with `flags` and, on its input, `records` (bytes in latin1, without the
 * NUL that ends each). Nothing happens without records. Throws an UnsafePathError for a path that
 * git does not accept, which by itself it would only leave out, and a GitError.
 */
export async function updateIndex(
  options: GitOptions,
  flags: readonly string[],
  records: readonly string[],
): Promise<void> {
  if (records.length === 0) return;
  const input = recordsOf(records);
  const { stderr } = await git(["update-index", "-z", ...flags], { ...options, input });
  requireAccepted(stderr);
}

/**
 * Throws an UnsafePathError where one of the entries is none that git takes into an index, such as one
 * below `.git`, however that is spelled. `options.indexFile` is a place for an index that is not there.
 */
export async function assertAcceptable(
  options: IndexOptions,
  entries: readonly { path: string; mode: string; oid: string }[],
): Promise<void> {
  const doubtful = entries.filter(({ path }) => mayBeRefused(path));
  if (doubtful.length === 0) return;
  const records = doubtful.map(({ path, mode, oid }) => `${mode} ${oid}\t${path}`);
  await removeIndex(options.indexFile);
  try {
    await updateIndex(options, ["--add", "--replace", "--index-info"], records);
  } finally {
    await removeIndex(options.indexFile);
  }
}

/**
 * git refuses names that some system takes for `.git` or, of links, for `.gitmodules`: in any case, with
 * characters that are not seen, or as a short name with a tilde. No others of what a folder can hold.
 */
function mayBeRefused(path: string): boolean {
  return /git|~/i.test(path.replaceAll(/[^\0-\x7f]/g, ""));
}

/** Removes an index and what a git that was killed has left beside it. */
export async function removeIndex(indexFile: string): Promise<void> {
  await removeTree(indexFile);
  await removeTree(`${indexFile}.lock`);
}

/** The tree of an index, written into the store. Throws a GitError. */
export async function writeTree(options: GitOptions): Promise<string> {
  return (await git(["write-tree"], options)).stdout.toString("latin1").trim();
}

/** How git is run on one index of one store. */
type IndexOptions = GitOptions & { gitDir: string; indexFile: string };

/** Records (bytes in latin1) as `update-index -z` reads them. */
export function recordsOf(records: readonly string[]): Buffer {
  return Buffer.from(records.map((record) => `${record}\0`).join(""), "latin1");
}

/** Throws an UnsafePathError where git said that it left a path out. */
export function requireAccepted(stderr: string): void {
  const refused = /^Ignoring path (.*)$/m.exec(stderr)?.[1];
  if (refused !== undefined) throw new UnsafePathError(refused);
}
