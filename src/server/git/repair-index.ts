/**
 * Checking what git took from a folder in which somebody may be writing. git opens files by their
 * path: whoever swaps a folder for a symbolic link at the right moment makes it read elsewhere.
 */
import type { IndexEntry } from "./diff.js";
import { NestedRepositoryError } from "./path-errors.js";
import { git, ZERO_OID, type GitOptions } from "./run.js";
import { displayPath, type SafeFolder } from "./safe-folder.js";
import { storeFile } from "./store-file.js";
import type { TokenScan } from "./token-scan.js";
import { updateIndex } from "./update-index.js";

const reader = (scan: TokenScan | undefined, path: string) => scan?.start(displayPath(path));

/** The ids of the files at the paths, read without following anything. Paths are bytes in latin1. */
export async function fileIds(
  safe: SafeFolder,
  paths: readonly string[],
  scan?: TokenScan,
): Promise<Map<string, string | null>> {
  const ids = new Map<string, string | null>();
  for (const path of paths) ids.set(path, await safe.blobId(path, false, reader(scan, path)));
  return ids;
}

/**
 * Compares the entries of an index that differ from a tree with the bytes in the folder, as far as
 * they are of `paths`, read without following anything, and puts the folder's bytes into the index
 * where git took others. `ids` are of bytes that the folder held meanwhile: where git took those, they
 * need not be read again. What the index has in the end was looked through by `scan`. Answers whether
 * the index changed. Paths are bytes in latin1 strings.
 */
export async function repairIndex(
  safe: SafeFolder,
  options: GitOptions,
  entries: readonly IndexEntry[],
  paths: readonly string[],
  ids: ReadonlyMap<string, string | null>,
  scan?: TokenScan,
): Promise<boolean> {
  const reported = new Set(paths);
  const lines: string[] = [];
  for (const { path, mode, oid } of entries) {
    if (!reported.has(path)) continue;
    if (mode === "160000") throw new NestedRepositoryError(displayPath(path));
    if (mode !== "120000" && ids.get(path) === oid) continue;
    if ((await safe.blobId(path, mode === "120000", reader(scan, path))) === oid) continue;
    lines.push(`${await takeSafely(safe, options, path, reader(scan, path))}\t${path}`);
  }
  if (lines.length === 0) return false;
  await updateIndex(options, ["--add", "--replace", "--index-info"], lines);
  return true;
}

/** Stores what is at `path` now; answers its mode and id, or those of a removal. */
async function takeSafely(
  safe: SafeFolder,
  options: GitOptions,
  path: string,
  read?: (piece: Buffer) => void,
): Promise<string> {
  const text = await safe.readLink(path);
  if (text !== null) {
    read?.(text);
    const { stdout } = await git(["hash-object", "-w", "--stdin"], { ...options, input: text });
    return `120000 ${stdout.toString("latin1").trim()}`;
  }
  const stored = await storeFile(safe, options, path, read);
  if (stored === null) return `0 ${ZERO_OID}`;
  return `${stored.isExecutable ? "100755" : "100644"} ${stored.oid}`;
}
