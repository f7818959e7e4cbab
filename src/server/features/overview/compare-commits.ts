import { fairSlots } from "#shared/node/fair-slots.js";
import { diffStats } from "#git/diff/diff.js";
import { countApart } from "#git/store/branches.js";
import { mergeBase } from "#git/store/repository.js";

/** The work of a branch since its merge base. */
export interface Comparison {
  commits: number;
  additions: number;
  deletions: number;
}

/** Two commits (full ids) of a repository. */
export interface CommitPair {
  repoPath: string;
  base: string;
  head: string;
}

/** Comparisons in memory. Commits are immutable, so none goes stale. */
const MAX_KEPT = 20_000;
/** Concurrent comparisons, each of up to three git processes. */
const slots = { slots: 4, perOwner: 2 };

export interface CompareCommits {
  /**
   * Returns a comparison that is known; otherwise begins it and returns its promise, which resolves to null if git
   * cannot compare the commits.
   */
  (orgId: string, pair: CommitPair): Comparison | null | Promise<Comparison | null>;
}

/** Counts what a commit has and a base lacks, as often as needed but once for each pair. */
export function commitComparer(): CompareCommits {
  const kept = new Map<string, Comparison | null>();
  const running = new Map<string, Promise<Comparison | null>>();
  const turns = fairSlots(slots);

  const compareInTurn = async (orgId: string, pair: CommitPair): Promise<Comparison | null> => {
    const free = await turns.take(orgId);
    try {
      return await compare(pair);
    } catch {
      // A repository that is being deleted, or a damaged one: the figures stay unknown.
      return null;
    } finally {
      free();
    }
  };
  return (orgId, pair) => {
    const key = `${pair.repoPath} ${pair.base} ${pair.head}`;
    const known = kept.get(key);
    if (known !== undefined) {
      kept.delete(key);
      kept.set(key, known);
      return known;
    }
    const begun =
      running.get(key) ??
      compareInTurn(orgId, pair).then((result) => {
        running.delete(key);
        // A failure may be temporary.
        if (result !== null) kept.set(key, result);
        for (const oldest of kept.keys()) {
          if (kept.size <= MAX_KEPT) break;
          kept.delete(oldest);
        }
        return result;
      });
    running.set(key, begun);
    return begun;
  };
}

async function compare({ repoPath, base, head }: CommitPair): Promise<Comparison | null> {
  if (base === head) return { commits: 0, additions: 0, deletions: 0 };
  const apart = await countApart(repoPath, head, base);
  if (apart === null) return null;
  if (apart.ahead === 0) return { commits: 0, additions: 0, deletions: 0 };
  const fork = await mergeBase(repoPath, base, head);
  const { additions, deletions } = await diffStats(repoPath, fork, head);
  return { commits: apart.ahead, additions, deletions };
}
