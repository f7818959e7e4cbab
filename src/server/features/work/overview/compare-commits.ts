import { fairSlots } from "#shared/node/fair-slots.js";
import { diffStats } from "#git/diff/diff.js";
import { countApart } from "#git/store/branches.js";
import { mergeBase } from "#git/store/repository.js";

/** The work of a branch since its merge base. */
export interface Comparison {
  commits: number;
  files: number;
  additions: number;
  deletions: number;
}

/** Two commits (full ids) of a repository. */
export interface CommitPair {
  repoPath: string;
  base: string;
  head: string;
  /** The agent whose present work it is, of which only the newest pair is compared; null for a past merge. */
  agentId: string | null;
}

/** Comparisons in memory. Commits are immutable, so none goes stale. */
const MAX_KEPT = 20_000;
/** Comparisons of an organization that wait or run. Further ones are begun by a later request. */
const MAX_PENDING = 1000;
/** Concurrent comparisons, each of up to three git processes. An agent has one at a time. */
const SLOTS = { slots: 4, perOwner: 2 };
/** Time for a comparison, without its wait for a slot. */
const TIMEOUT_MS = 10_000;
/** Time until commits that could not be compared are tried again. */
const RETRY_MS = 10 * 60_000;

export interface CompareCommits {
  /**
   * Returns a comparison that is known; otherwise begins it and returns its promise. Null if git cannot compare the
   * commits or takes too long, if too many comparisons wait, or once the agent has a newer pair.
   */
  (orgId: string, pair: CommitPair): Comparison | null | Promise<Comparison | null>;
}

interface Kept {
  result: Comparison | null;
  /** When a failure is tried again; milliseconds. */
  until: number;
}

interface Job {
  result: Promise<Comparison | null>;
  /** The agents that wait for it, or the pair itself. */
  subjects: Set<string>;
  hasBegun: boolean;
  /** A job of the same agent that runs, and has to end first. */
  after: Job | null;
  /** Takes it out of the queue. */
  drop: AbortController;
}

interface ComparerOptions {
  compare?: (pair: CommitPair, signal: AbortSignal) => Promise<Comparison | null>;
  timeoutMs?: number;
  maxPending?: number;
}

/** Counts what a commit has and a base lacks, as often as needed but once for each pair. */
export function commitComparer({
  compare = compareByGit,
  timeoutMs = TIMEOUT_MS,
  maxPending = MAX_PENDING,
}: ComparerOptions = {}): CompareCommits {
  const kept = new Map<string, Kept>();
  /** Jobs that wait or run, by pair. */
  const jobs = new Map<string, Job>();
  /** The newest job of each subject. */
  const newest = new Map<string, Job>();
  /** Jobs of each organization. */
  const pending = new Map<string, number>();
  const turns = fairSlots(SLOTS);

  const keep = (key: string, result: Comparison | null): void => {
    kept.set(key, { result, until: result === null ? Date.now() + RETRY_MS : Infinity });
    for (const oldest of kept.keys()) {
      if (kept.size <= MAX_KEPT) break;
      kept.delete(oldest);
    }
  };

  const compareInTurn = async (orgId: string, job: Job, pair: CommitPair) => {
    const { signal } = job.drop;
    // An expensive branch holds one slot, however often it is pushed.
    if (job.after !== null) await Promise.race([job.after.result, abortOf(signal)]);
    const free = await turns.take(orgId, signal);
    job.hasBegun = true;
    job.after = null;
    try {
      return await compare(pair, AbortSignal.timeout(timeoutMs));
    } finally {
      free();
    }
  };

  const start = (orgId: string, key: string, pair: CommitPair, older: Job | undefined): Job => {
    const job: Job = {
      result: Promise.resolve(null),
      subjects: new Set<string>(),
      hasBegun: false,
      after: older?.hasBegun ? older : (older?.after ?? null),
      drop: new AbortController(),
    };
    const run = async (): Promise<Comparison | null> => {
      // A newer pair, a repository that is being deleted or damaged, or too much to compare.
      const result = await compareInTurn(orgId, job, pair).catch(() => null);
      if (job.hasBegun) keep(key, result);
      if (jobs.get(key) === job) jobs.delete(key);
      for (const subject of job.subjects) {
        if (newest.get(subject) === job) newest.delete(subject);
      }
      const left = (pending.get(orgId) ?? 1) - 1;
      if (left > 0) pending.set(orgId, left);
      else pending.delete(orgId);
      return result;
    };
    jobs.set(key, job);
    pending.set(orgId, (pending.get(orgId) ?? 0) + 1);
    job.result = run();
    return job;
  };

  /** Notes the newest job of a subject. An older one that no other subject waits for leaves the queue. */
  const replace = (subject: string, job: Job): void => {
    const older = newest.get(subject);
    newest.set(subject, job);
    job.subjects.add(subject);
    if (older === undefined || older === job) return;
    older.subjects.delete(subject);
    if (older.subjects.size === 0 && !older.hasBegun) older.drop.abort();
  };

  return (orgId, pair) => {
    const key = `${pair.repoPath} ${pair.base} ${pair.head}`;
    const known = kept.get(key);
    if (known !== undefined && known.until > Date.now()) {
      kept.delete(key);
      kept.set(key, known);
      return known.result;
    }
    const subject = pair.agentId ?? key;
    const older = newest.get(subject);
    let job = jobs.get(key);
    if (job === undefined || job.drop.signal.aborted) {
      if (older === undefined && (pending.get(orgId) ?? 0) >= maxPending) return null;
      job = start(orgId, key, pair, older);
    }
    replace(subject, job);
    return job.result;
  };
}

const abortOf = (signal: AbortSignal): Promise<never> =>
  new Promise((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  });

const nothing: Comparison = { commits: 0, files: 0, additions: 0, deletions: 0 };

async function compareByGit(
  { repoPath, base, head }: CommitPair,
  signal: AbortSignal,
): Promise<Comparison | null> {
  if (base === head) return nothing;
  const process = { signal, background: true };
  const apart = await countApart(repoPath, head, base, process);
  if (apart === null) return null;
  if (apart.ahead === 0) return nothing;
  const fork = await mergeBase(repoPath, base, head, process);
  const { files_changed, additions, deletions } = await diffStats(repoPath, fork, head, process);
  return { commits: apart.ahead, files: files_changed, additions, deletions };
}
