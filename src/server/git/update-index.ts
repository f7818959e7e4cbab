/** Changing an index by plumbing. */
import type { Readable } from "node:stream";
import { diffIndex } from "./diff.js";
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
  const input = inputOf(records);
  const { stderr } = await git(["update-index", "-z", ...flags], { ...options, input });
  requireAccepted(stderr);
}

/** The tree of an index, written into the store. Throws a GitError. */
export async function writeTree(options: GitOptions): Promise<string> {
  return (await git(["write-tree"], options)).stdout.toString("latin1").trim();
}

/** How git is run on one index of one store. */
export type IndexOptions = GitOptions & { gitDir: string; indexFile: string };

/**
 * Brings the index up to the folder at the paths that come as `input` (see `inputOf`), writes its tree
 * into the store and compares it with `parentTree`. git takes each path as it comes, and holds the lock
 * of the index meanwhile. Nothing is at work any more when it ends. Throws as `updateIndex` does.
 */
export async function takePaths(
  options: IndexOptions,
  input: Uint8Array | Readable,
  parentTree: string,
): Promise<{ tree: string; difference: Awaited<ReturnType<typeof diffIndex>> }> {
  const args = ["update-index", "-z", "--add", "--replace", "--remove", "--stdin"];
  const { stderr } = await git(args, { ...options, input });
  requireAccepted(stderr);
  const [written, compared] = await Promise.allSettled([
    writeTree(options),
    diffIndex(options, parentTree),
  ]);
  if (written.status === "rejected") throw written.reason;
  if (compared.status === "rejected") throw compared.reason;
  return { tree: written.value, difference: compared.value };
}

/** Records as `update-index -z` reads them. */
export function inputOf(records: readonly string[]): Buffer {
  return Buffer.from(records.map((record) => `${record}\0`).join(""), "latin1");
}

function requireAccepted(stderr: string): void {
  const refused = /^Ignoring path (.*)$/m.exec(stderr)?.[1];
  if (refused !== undefined) throw new UnsafePathError(refused);
}
