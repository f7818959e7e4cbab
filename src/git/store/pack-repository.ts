/** Packing a store, so that clones stay fast: each checkpoint leaves some loose objects. */
import { readdir, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { git } from "../process/run.js";

/** So many loose objects are packed, or 2% of what is packed already, if that is more. */
const MIN_LOOSE = 1000;
const LOOSE_SHARE = 1 / 50;
/** Packs of pushes and fetches: git looks for an object in each, and only one has a bitmap. */
const MAX_PACKS = 10;
/** Bytes that an object takes in an index of a pack (gitformat-pack(5)). */
const INDEX_ENTRY = 28;
/** Larger repositories take longer to pack than a server should be busy with one. */
const PACK_MS = 60 * 60_000;

/** Whether a clone would profit from packing. Reads two folders; loose objects are estimated. */
export async function isWorthPacking(repoPath: string): Promise<boolean> {
  const packs = join(repoPath, "objects/pack");
  const indexes = (await namesIn(packs)).filter((name) => name.endsWith(".idx"));
  if (indexes.length >= MAX_PACKS) return true;
  // Ids are spread evenly: git's own estimate looks at this one folder of 256, too.
  const loose = (await namesIn(join(repoPath, "objects/17"))).length * 256;
  if (loose < MIN_LOOSE) return false;
  const sizes = await Promise.all(
    indexes.map((name) =>
      stat(join(packs, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  const packed = sizes.reduce((sum, size) => sum + size, 0) / INDEX_ENTRY;
  return loose >= packed * LOOSE_SHARE;
}

/**
 * Packs all objects into one pack with a bitmap, and writes the commit graph. Unreachable objects are kept,
 * since quarantines, fetches and indexes borrow them (docs/decisions/0023-no-pruning-of-unreferenced-objects.md):
 * no object that is there at the start is missing at any moment. Reading and writing goes on meanwhile. One
 * call at a time for a store, in all processes; what an earlier one that was cut off left is removed first.
 * @throws GitError where it fails, takes longer than an hour or `signal` aborts it; nothing has changed then
 */
export async function packRepository(repoPath: string, signal: AbortSignal): Promise<void> {
  await removePackingLeftovers(repoPath);
  const options = {
    gitDir: repoPath,
    signal,
    timeoutMs: PACK_MS,
    background: true,
    config: [
      ["pack.threads", "1"],
      ["pack.windowMemory", "256m"],
    ] as const,
  };
  try {
    // -k keeps unreachable objects, -n writes nothing for servers of plain files.
    await git(["repack", "-a", "-d", "-k", "-l", "-n", "-q", "--write-bitmap-index"], options);
    await git(["commit-graph", "write", "--reachable", "--no-progress"], options);
  } catch (error) {
    await removePackingLeftovers(repoPath);
    throw error;
  }
}

/**
 * Removes what a packing that was cut off left. In a store nothing else writes such files: pushes and
 * fetches receive packs in folders of their own.
 */
export async function removePackingLeftovers(repoPath: string): Promise<void> {
  const objects = join(repoPath, "objects");
  const packs = (await namesIn(join(objects, "pack"))).filter((name) => /^\.?tmp[-_]/.test(name));
  const graphs = (await namesIn(join(objects, "info"))).filter((name) =>
    /^commit-graph.*\.lock$|^tmp_graph/.test(name),
  );
  const paths = [
    ...packs.map((name) => join(objects, "pack", name)),
    ...graphs.map((name) => join(objects, "info", name)),
  ];
  for (const path of paths) await unlink(path).catch(() => undefined);
}

/** A folder of loose objects may be missing. */
function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}
