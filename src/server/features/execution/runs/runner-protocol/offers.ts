import { setTimeout as pause } from "node:timers/promises";
import type { Logger } from "pino";
import type { OfferRequest } from "#shared/execution/runner/protocol.js";
import type { Database } from "../../../../db/connection/connect.js";
import * as queries from "./runner-calls.queries.js";

/** Requests of runners for runs. */
export interface Offers {
  /**
   * Returns runs that are now reserved for the runner. Waits for some; ends early without any when the client
   * disconnects, the server stops, or the runner asks again.
   */
  ask(runnerId: string, request: OfferRequest, left: AbortSignal): Promise<string[]>;
  /** Ends all waiting requests. */
  close(): void;
}

/** Interval at which waiting requests look for runs, in case a limit or an offer ended without a change of a run. */
const LOOK_MS = 2000;
/** Changes within this time after the last look are answered by one. */
const DEBOUNCE_MS = 50;

interface Waiting {
  wake: () => void;
  end: () => void;
}

export function createOffers(db: Database, log: Logger): Offers {
  const waiting = new Map<string, Waiting>();
  let isClosed = false;
  let debounce: NodeJS.Timeout | null = null;
  let lookedAt = -DEBOUNCE_MS;
  const unsubscribe = db.changes.subscribe((change) => {
    if (waiting.size === 0 || (change !== null && change.table !== "runs")) return;
    debounce ??= setTimeout(
      () => {
        debounce = null;
        lookedAt = performance.now();
        for (const waiter of waiting.values()) waiter.wake();
      },
      Math.max(0, lookedAt + DEBOUNCE_MS - performance.now()),
    ).unref();
  });

  const waitForRuns = async (
    runnerId: string,
    { free, wait_seconds: seconds }: OfferRequest,
    left: AbortSignal,
  ): Promise<string[]> => {
    const until = Date.now() + seconds * 1000;
    let isOver = false;
    /** Something changed since the last look began. */
    let isDue = false;
    let wake = (): void => {};
    const own: Waiting = {
      wake: () => {
        isDue = true;
        wake();
      },
      end: () => {
        isOver = true;
        wake();
      },
    };
    waiting.get(runnerId)?.end();
    waiting.set(runnerId, own);
    left.addEventListener("abort", own.end, { once: true });
    if (free > 0) {
      await db.withSystem("record that a runner waits", (tx) =>
        queries.recordWaiting(tx, runnerId, seconds),
      );
    }
    try {
      for (;;) {
        const leftMs = until - Date.now();
        if (isOver || left.aborted || isClosed) return [];
        isDue = false;
        if (free > 0) {
          const found = await offer(runnerId, free);
          if (found.length > 0) return found;
        }
        if (leftMs <= 0) return [];
        if (isOver || left.aborted || isClosed) return [];
        if (isDue) {
          await pause(DEBOUNCE_MS);
          continue;
        }
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, Math.min(leftMs, LOOK_MS));
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
    } finally {
      left.removeEventListener("abort", own.end);
      // A newer request of the runner goes on waiting.
      if (waiting.get(runnerId) === own) {
        waiting.delete(runnerId);
        await db
          .withSystem("record that a runner no longer waits", (tx) =>
            queries.recordWaiting(tx, runnerId, null),
          )
          .catch((error: unknown) => log.warn({ err: error }, "a runner counts as waiting"));
      }
    }
  };

  const offer = async (runnerId: string, free: number): Promise<string[]> =>
    (await db.maintenance())
      ? []
      : db.withSystem("offer runs", (tx) => queries.offerRuns(tx, runnerId, free));

  return {
    ask: async (runnerId, request, left) => {
      await db.withSystem("record a runner", (tx) =>
        queries.recordDescription(tx, runnerId, request),
      );
      if (request.free > 0) {
        const found = await offer(runnerId, request.free);
        if (found.length > 0) {
          waiting.get(runnerId)?.end();
          return found;
        }
      }
      return request.wait_seconds === 0 ? [] : waitForRuns(runnerId, request, left);
    },
    close: () => {
      isClosed = true;
      unsubscribe();
      if (debounce !== null) clearTimeout(debounce);
      for (const waiter of waiting.values()) waiter.end();
    },
  };
}
