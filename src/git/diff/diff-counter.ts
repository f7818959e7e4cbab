/** Counting what differs between trees without starting git for each question. */
import { assertOid } from "../store/bare-repository.js";
import { COUNTING, statsOf, type DiffStats } from "./diff.js";
import { PersistentGitPool } from "../process/persistent-git-process.js";

/** What git repeats, and lets go of all before it, since it is no id. */
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

/** As `diffStats`, of two trees by their ids. Throws a GitError. */
export function countDiff(repoPath: string, from: string, to: string): Promise<DiffStats> {
  assertOid(from);
  assertOid(to);
  return counters.ask(repoPath, { from, to });
}

/** Has `countDiff` find a git that is there: to be called while there is other work to do. */
export function expectCount(repoPath: string): void {
  counters.expect(repoPath);
}
