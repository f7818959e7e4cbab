/** Remembers the differences between commits, which never change. */
import { type DiffStats, diffFilesWithBlobs, type FileDiff } from "./diff.js";
import type { FileBlobs } from "./diff-reader.js";

/** The files of a change, the first of them with their patches. */
export interface ChangeBetween {
  files: readonly FileDiff[];
  stats: DiffStats;
  blobs: ReadonlyMap<FileDiff, FileBlobs>;
}

/** Patches of the first files: more than a screen shows; bytes. */
const FIRST_BYTES = 64 * 1024;
const MAX_CHANGES = 200;
/** Limit for all remembered changes together, in characters: paths and patches are as long as a tenant makes them. */
const MAX_SIZE = 32 * 1024 * 1024;
/** Of a file beside its texts. */
const FILE_SIZE = 500;

interface Known {
  change: Promise<ChangeBetween>;
  /** In characters; 0 until it is read. */
  size: number;
}

/** Those that were asked for last come last. */
const known = new Map<string, Known>();
let knownSize = 0;

/**
 * Returns the change between two commits. It is read once, whether its counts, its list or its first lines are wanted.
 * @throws GitError
 */
export async function changeBetween(
  repoPath: string,
  from: string | null,
  to: string,
  { ignoreWhitespace = false } = {},
): Promise<ChangeBetween> {
  const key = `${repoPath} ${from} ${to} ${ignoreWhitespace}`;
  const found = known.get(key);
  if (found) {
    known.delete(key);
    known.set(key, found);
    return found.change;
  }
  const options = { patch: true, firstPatchBytes: FIRST_BYTES, ignoreWhitespace };
  const made: Known = { change: diffFilesWithBlobs(repoPath, from, to, options), size: 0 };
  known.set(key, made);
  try {
    const change = await made.change;
    // It may have been forgotten meanwhile.
    if (known.get(key) === made) {
      made.size = sizeOf(change);
      knownSize += made.size;
      forgetOldest();
    }
    return change;
  } catch (error) {
    if (known.get(key) === made) known.delete(key);
    throw error;
  }
}

const sizeOf = ({ files }: ChangeBetween): number =>
  files.reduce(
    (sum, { path, old_path, patch }) =>
      sum + FILE_SIZE + path.length + (old_path?.length ?? 0) + (patch?.length ?? 0),
    0,
  );

function forgetOldest(): void {
  for (const [key, { size }] of known) {
    if (known.size <= MAX_CHANGES && knownSize <= MAX_SIZE) return;
    known.delete(key);
    knownSize -= size;
  }
}
