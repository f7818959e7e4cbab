/** Index plumbing. */
import { removeTree } from "../files/atomic-directory.js";
import { UnsafePathError } from "../files/path-errors.js";
import { git, type GitOptions } from "../process/run.js";

/**
 * Runs `update-index -z` with `flags` and feeds it `records` (latin1 bytes, without the terminating
 * NUL). Does nothing without records.
 * @throws UnsafePathError for a path that git rejects; git itself would skip it
 * @throws GitError
 */
export async function updateIndex(
  options: GitOptions,
  flags: readonly string[],
  records: readonly string[],
): Promise<void> {
  if (records.length === 0) return;
  const input = encodeRecords(records);
  const { stderr } = await git(["update-index", "-z", ...flags], { ...options, input });
  assertAllAccepted(stderr);
}

/**
 * Checks that git accepts all entries into an index; it rejects paths below `.git`, in any
 * spelling. `options.indexFile` is the path for a temporary index.
 * @throws UnsafePathError
 */
export async function assertPathsAccepted(
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
 * Tells whether git may reject a path. git rejects names that some system takes for `.git` or, for
 * links, `.gitmodules`: in any case, with invisible characters, or as a short name with a tilde. No
 * other names in a folder are rejected.
 */
function mayBeRefused(path: string): boolean {
  return /git|~/i.test(path.replaceAll(/[^\0-\x7f]/g, ""));
}

/** Removes an index and the lock of a killed git. */
export async function removeIndex(indexFile: string): Promise<void> {
  await removeTree(indexFile);
  await removeTree(`${indexFile}.lock`);
}

/** Writes the tree of an index and returns its id. @throws GitError */
export async function writeTree(options: GitOptions): Promise<string> {
  return (await git(["write-tree"], options)).stdout.toString("latin1").trim();
}

/** Options for git on one index of one repository. */
type IndexOptions = GitOptions & { gitDir: string; indexFile: string };

/** Encodes records (latin1 bytes) for `update-index -z`. */
export function encodeRecords(records: readonly string[]): Buffer {
  return Buffer.from(records.map((record) => `${record}\0`).join(""), "latin1");
}

/**
 * Checks git's output for a path that it left out.
 * @throws UnsafePathError
 */
export function assertAllAccepted(stderr: string): void {
  const refused = /^Ignoring path (.*)$/m.exec(stderr)?.[1];
  if (refused !== undefined) throw new UnsafePathError(refused);
}
