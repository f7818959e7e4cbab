import type { ClusterDeps } from "./cluster-deps.js";
import * as queries from "./cluster-runs.queries.js";
import { ClusterError } from "./api/cluster-api.js";
import { networksOf, reconcile, register } from "./reconcile.js";

/** Pause between passes while the cluster has runs, and while it has none. */
const BUSY_MS = 3000;
const IDLE_MS = 15_000;
/** Shortest pause, after changes of runs. */
const SHORTEST_PAUSE_MS = 500;
/** Pauses while the cluster does not answer: doubled from the first to the last. */
const RETRY_MS = { first: 2000, last: 60_000 };

/** Keeps the Jobs of the cluster like the runs. One process of the installation does so at a time. */
export interface ClusterController {
  stop(): Promise<void>;
}

export function startController(deps: Omit<ClusterDeps, "closing">): ClusterController {
  const { db, log } = deps;
  const closing = new AbortController();
  const own: ClusterDeps = { ...deps, closing: closing.signal };
  let pause = SHORTEST_PAUSE_MS;
  let retryMs = 0;
  /** The last problem of the cluster, which is logged once. */
  let problem: string | null = null;
  let hasChanged = false;
  let wake = (): void => {};
  const unsubscribe = db.changes.subscribe((change) => {
    if (change !== null && change.table !== "runs") return;
    hasChanged = true;
    // The cluster that does not answer is not asked more often.
    if (retryMs === 0) wake();
  });

  const explainProblem = async (detail: string): Promise<void> => {
    await db.withSystem("record that the cluster does not answer", async (tx) => {
      await queries.recordUnreached(tx);
      const networks = networksOf(deps);
      await queries.explainQueue(tx, { problem: detail, networks, isPaused: false, isFull: false });
    });
  };
  const pass = async (): Promise<void> => {
    try {
      let isBusy = true;
      await db.tryLock("kubernetes", async () => {
        isBusy = await reconcile(own);
      });
      if (problem !== null) log.info("the cluster answers again");
      problem = null;
      retryMs = 0;
      pause = isBusy ? BUSY_MS : IDLE_MS;
    } catch (error) {
      if (closing.signal.aborted) return;
      retryMs = Math.min(RETRY_MS.last, Math.max(RETRY_MS.first, 2 * retryMs));
      pause = retryMs;
      if (!(error instanceof ClusterError)) {
        log.warn({ err: error }, "cannot compare the runs with the Jobs of the cluster");
        return;
      }
      if (problem !== error.message) log.warn({ err: error }, "the cluster does not answer");
      problem = error.message;
      await explainProblem(error.message);
    }
  };
  const loop = async (): Promise<void> => {
    await register(own).catch((error: unknown) =>
      log.warn({ err: error }, "cannot register the cluster"),
    );
    while (!closing.signal.aborted) {
      hasChanged = false;
      await pass().catch((error: unknown) => log.warn({ err: error }, "cannot explain an outage"));
      if (closing.signal.aborted) return;
      await new Promise<void>((resolve) => {
        const isNews = hasChanged && retryMs === 0;
        const timer = setTimeout(resolve, isNews ? SHORTEST_PAUSE_MS : pause);
        wake = () => {
          clearTimeout(timer);
          setTimeout(resolve, SHORTEST_PAUSE_MS);
        };
      });
      wake = () => {};
    }
  };
  const running = loop();
  return {
    stop: async () => {
      unsubscribe();
      closing.abort(new Error("the server stops"));
      wake();
      await running;
    },
  };
}
