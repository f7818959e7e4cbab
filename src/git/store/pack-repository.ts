/** Packs repositories, so that clones stay fast: each checkpoint leaves some loose objects. */
import { readdir, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { git } from "../process/run.js";

/**
 * Loose objects before packing is worthwhile: this many, or 2% of the packed objects if that is
 * more.
 */
const MIN_LOOSE = 1000;
const LOOSE_SHARE = 1 / 50;
/** Packs from pushes and fetches: git searches each of them, and only one has a bitmap. */
const MAX_PACKS = 10;
/** Bytes per object in a pack index (gitformat-pack(5)). */
const INDEX_ENTRY = 28;
/** Time limit: packing a larger repository would keep the server busy for too long. */
const PACK_MS = 60 * 60_000;

/**
 * Tells whether packing would speed up clones. Reads two folders and estimates the number of loose
 * objects.
 */
export async function isWorthPacking(repoPath: string): Promise<boolean> {
  const packs = join(repoPath, "objects/pack");
  const indexes = (await namesIn(packs)).filter((name) => name.endsWith(".idx"));
  if (indexes.length >= MAX_PACKS) return true;
  // Ids are evenly distributed: git's own estimate also reads this one folder of 256.
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
 * Packs all objects into one pack with a bitmap, and writes the commit graph. Keeps unreachable
 * objects, since quarantines, fetches and indexes borrow them
 * (docs/decisions/0023-no-pruning-of-unreferenced-objects.md). No existing object is missing at any
 * moment, and reads and writes continue. One call at a time per repository, across all processes; removes
 * the remains of an interrupted call first.
 * @throws GitError on failure, after an hour, or if `signal` aborts it; nothing has changed then
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
    // -k keeps unreachable objects, -n writes nothing for dumb servers.
    await git(["repack", "-a", "-d", "-k", "-l", "-n", "-q", "--write-bitmap-index"], options);
    await git(["commit-graph", "write", "--reachable", "--no-progress"], options);
  } catch (error) {
    await removePackingLeftovers(repoPath);
    throw error;
  }
}

/**
 * Removes the remains of an interrupted packing. Nothing else writes such files into a repository:
 * pushes and fetches receive packs in their own folders.
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
