/** Counts differences between trees with a persistent git process. */
import { assertOid } from "../objects/oid.js";
import { COUNTING, statsOf, type DiffStats } from "./diff.js";
import { PersistentGitPool } from "../process/persistent-git-process.js";

/**
 * Marks the end of a reply: `diff-tree --stdin` echoes a line that is no object id, and flushes.
 */
const END = "counted\n";

/** `diff-tree --stdin`. */
const counters = new PersistentGitPool<{ from: string; to: string }, DiffStats>({
  args: [...COUNTING.args, "--stdin"],
  config: COUNTING.config,
  write: ({ from, to }) => Buffer.from(`${from} ${to}\n${END}`),
  read(bytes, at) {
    const end = bytes.indexOf(END, at);
    if (end < 0) return { needs: bytes.length - at + 1 };
    return { next: end + END.length, answer: statsOf(bytes.toString("latin1", at, end)) };
  },
});

/**
 * Same as `diffStats`, for two tree ids.
 * @throws GitError
 */
export function countDiff(repoPath: string, from: string, to: string): Promise<DiffStats> {
  assertOid(from);
  assertOid(to);
  return counters.request(repoPath, { from, to });
}

/** Starts the process for `countDiff` early, while other work goes on. */
export function warmUpDiffCounter(repoPath: string): void {
  counters.warmUp(repoPath);
}
