/** Changing an index by plumbing. */
import { UnsafePathError } from "./path-errors.js";
import { git, type GitOptions } from "./run.js";

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
  const input = Buffer.from(`${records.join("\0")}\0`, "latin1");
  const { stderr } = await git(["update-index", "-z", ...flags], { ...options, input });
  const refused = /^Ignoring path (.*)$/m.exec(stderr)?.[1];
  if (refused !== undefined) throw new UnsafePathError(refused);
}

/** The tree of an index, written into the store. Throws a GitError. */
export async function writeTree(options: GitOptions): Promise<string> {
  return (await git(["write-tree"], options)).stdout.toString("latin1").trim();
}
