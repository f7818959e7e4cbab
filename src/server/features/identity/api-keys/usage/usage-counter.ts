import type { Logger } from "pino";

/** Unwritten counts of one key on one day. */
export interface Tally {
  keyId: string;
  /** Days since 1970-01-01 UTC. */
  day: number;
  lastUse: { at: number; ip: string } | null;
  /** By endpoint and status. */
  requests: Counts<string, number>;
  /** By permission and organization id; null means wherever the key acts. */
  permissions: Counts<string, string | null>;
}

/** A two-level counter, which needs no concatenated key per request. */
export type Counts<One, Other> = Map<One, Map<Other, number>>;

/** Counts key usage in memory, so that no request waits for a write. */
export interface UsageCounter {
  seen(keyId: string, ip: string): void;
  answered(keyId: string, endpoint: string, status: number): void;
  used(keyId: string, orgId: string | null, permission: string): void;
  /** Writes all pending counts. */
  flush(): Promise<void>;
  /** Writes the pending counts and stops. */
  close(): Promise<void>;
}

const flushMs = 30_000;
const dayMs = 86_400_000;
/** Maximum number of counts kept while the database is unavailable. */
const MAX_PENDING = 100_000;

export function createUsageCounter(
  write: (tallies: Tally[]) => Promise<void>,
  log: Logger,
): UsageCounter {
  let today = new Map<string, Tally>();
  /** Counts of past days, and counts whose write failed. */
  let waiting: Tally[] = [];
  let writing: Promise<void> = Promise.resolve();

  const tallyOf = (keyId: string): Tally => {
    const day = Math.floor(Date.now() / dayMs);
    const known = today.get(keyId);
    if (known?.day === day) return known;
    if (known) waiting.push(known);
    const made = { keyId, day, lastUse: null, requests: new Map(), permissions: new Map() };
    today.set(keyId, made);
    return made;
  };
  const writeAll = async (): Promise<void> => {
    const batch = [...waiting, ...today.values()];
    waiting = [];
    today = new Map();
    if (batch.length === 0) return;
    try {
      await write(batch);
    } catch (error) {
      waiting = [...batch, ...waiting].slice(-MAX_PENDING);
      throw error;
    }
  };
  const flush = (): Promise<void> => {
    const done = writing.then(writeAll);
    writing = done.catch(() => {});
    return done;
  };
  const timer = setInterval(() => {
    flush().catch((error: unknown) => log.warn({ err: error }, "cannot write key usage"));
  }, flushMs);
  timer.unref();

  return {
    seen: (keyId, ip) => {
      const tally = tallyOf(keyId);
      tally.lastUse = { at: Date.now(), ip };
    },
    answered: (keyId, endpoint, status) => {
      count(tallyOf(keyId).requests, endpoint, status);
    },
    used: (keyId, orgId, permission) => {
      count(tallyOf(keyId).permissions, permission, orgId);
    },
    flush,
    close: async () => {
      clearInterval(timer);
      await flush();
    },
  };
}

function count<One, Other>(counts: Counts<One, Other>, a: One, b: Other): void {
  const known = counts.get(a);
  if (known) known.set(b, (known.get(b) ?? 0) + 1);
  else counts.set(a, new Map([[b, 1]]));
}
