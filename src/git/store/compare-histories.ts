/** Compares the histories of two commits without starting git. */
import {
  areCommits,
  readCommits,
  recentCommit,
  type CommitHeader,
} from "../objects/commit-reader.js";

/** One of the two commits of a merge. */
export type Side = "target" | "source";

/** A commit with its id. */
export interface HistoryCommit extends CommitHeader {
  oid: string;
}

/** The histories of a source and a target. */
export interface ComparedHistories {
  /** The merge base; null for none. */
  base: string | null;
  /** The commits of one side only, newest first. */
  source: HistoryCommit[];
  target: HistoryCommit[];
}

/** Commits per comparison. Longer histories are compared by git, whose start they outweigh. */
const MAX_COMMITS = 2000;
/** Requests for commits that were not read recently. Git reads many faster. */
const MAX_REQUESTS = 24;

const SOURCE = 1;
const TARGET = 2;
const BOTH = SOURCE | TARGET;
/** An ancestor of a common ancestor. */
const STALE = 4;

interface Visited extends HistoryCommit {
  flags: number;
}

/**
 * Compares two commits (full ids) by git's own walk (paint_down_to_common): from the newest commit
 * down, marking each with the sides that reach it. Returns null where git has to answer: a long
 * history, several merge bases (or commits of one second, taken in an order that makes them look so), a
 * missing commit, or a commit older than its parent, which makes the order of the walk unreliable.
 * @throws GitError
 */
export async function compareHistories(
  repoPath: string,
  { source, target }: Record<Side, string>,
): Promise<ComparedHistories | null> {
  if (!(await areCommits(repoPath, [source, target]))) return null;
  const visited = new Map<string, Visited>();
  /** The commits to be taken, the newest last. A commit with a new mark is taken again. */
  const queue: Visited[] = [];
  let requests = 0;
  /** Marks commits and queues those whose marks are new; false where git has to answer. */
  const mark = async (oids: readonly string[], flags: number, until: number): Promise<boolean> => {
    const unknown = oids.filter((oid) => !visited.has(oid));
    if (unknown.some((oid) => recentCommit(oid) === undefined)) requests += 1;
    if (requests > MAX_REQUESTS || visited.size + unknown.length > MAX_COMMITS) return false;
    const headers = await readCommits(repoPath, unknown);
    for (const oid of oids) {
      const header = headers.get(oid);
      const commit = visited.get(oid) ?? (header && { ...header, oid, flags: 0 });
      if (commit === undefined || commit.time > until) return false;
      visited.set(oid, commit);
      if ((commit.flags & flags) === flags) continue;
      commit.flags |= flags;
      const at = queue.findLastIndex(({ time }) => time < commit.time);
      queue.splice(at + 1, 0, commit);
    }
    return true;
  };

  if (!(await mark([source], SOURCE, Infinity)) || !(await mark([target], TARGET, Infinity))) {
    return null;
  }
  const taken = new Set<Visited>();
  let oldest = Infinity;
  // An ancestor of the merge base may lead to commits that only one side has reached so far, unless it
  // is older than all of these.
  const isDone = (): boolean =>
    (queue.at(-1)?.time ?? -Infinity) < oldest && queue.every(({ flags }) => flags & STALE);
  while (!isDone()) {
    const commit = queue.pop() as Visited;
    taken.add(commit);
    const isCommon = (commit.flags & BOTH) === BOTH;
    if (!isCommon) oldest = Math.min(oldest, commit.time);
    const passed = isCommon ? BOTH | STALE : commit.flags;
    if (!(await mark(commit.parents, passed, commit.time))) return null;
  }
  const bases = [...taken].filter(({ flags }) => flags === BOTH);
  if (bases.length > 1) return null;
  const ofSide = (flag: number): HistoryCommit[] =>
    [...taken].filter(({ flags }) => flags === flag);
  return { base: bases[0]?.oid ?? null, source: ofSide(SOURCE), target: ofSide(TARGET) };
}
