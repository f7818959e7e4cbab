import { isUsable, type UidRange } from "#sandbox/uid-range.js";
import type { RemoteRun } from "./remote-run.js";

export type LiveRuns = ReturnType<typeof createLiveRuns>;

/**
 * Creates the list of the runs in progress, each with a uid of its own.
 * @param range null for one uid that all runs share
 */
export function createLiveRuns(range: UidRange | null) {
  const uids = range !== null && isUsable(range) ? freeUids(range) : null;
  const live = new Map<string, RemoteRun>();
  /** Called when a run has ended, which frees a slot. */
  const waiting = new Set<() => void>();
  const wake = (): void => {
    for (const resume of waiting) resume();
    waiting.clear();
  };
  return {
    live: live as ReadonlyMap<string, RemoteRun>,
    takeUid: (): number | null => uids?.take() ?? null,
    /** Keeps the uid of an earlier run for it. Returns null for one that is not of the range. */
    reserveUid: (uid: number | null): number | null =>
      uid !== null && uids?.reserve(uid) === true ? uid : null,
    add: (run: RemoteRun, uid: number | null): void => {
      live.set(run.runId, run);
      void run.done.finally(() => {
        live.delete(run.runId);
        if (uid !== null) uids?.release(uid);
        wake();
      });
    },
    /** Resolves when a run has ended, or by `wake`. */
    freed: (): Promise<void> => new Promise((resolve) => void waiting.add(resolve)),
    wake,
  };
}

/** Hands out the uids of a range: each to one run at a time. */
function freeUids({ first, last }: UidRange): Uids {
  const used = new Set<number>();
  return {
    take: () => {
      for (let uid = first; uid <= last; uid += 1) {
        if (used.has(uid)) continue;
        used.add(uid);
        return uid;
      }
      return null;
    },
    reserve: (uid) => {
      if (uid < first || uid > last) return false;
      used.add(uid);
      return true;
    },
    release: (uid) => void used.delete(uid),
  };
}

interface Uids {
  take(): number | null;
  /** Returns false for one that is not of the range. */
  reserve(uid: number): boolean;
  release(uid: number): void;
}
