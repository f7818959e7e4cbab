import { randomUUID } from "node:crypto";
import type pg from "pg";

/** Time for which a process may answer from its caches, from the moment at which it asked for the lease. */
export const LEASE_MS = 5000;
/** Time after which a lease has ended that was last renewed before; the rest covers clocks of unequal speed. */
export const LAPSE_MS = LEASE_MS + 500;
/** The row whose absence means that others are missing, see `0071_cache_leases.sql`. */
const COMPLETE = "00000000-0000-0000-0000-000000000000";

/** Tokens by process. */
type Rows = Record<string, string> | null;

const rowsText = "(select json_object_agg(process_id, token) from cache_leases) as rows";

/**
 * The leases of all processes, as rows of the database. Every time is of this process's monotonic clock: a lease ends
 * `LAPSE_MS` after this process saw its token for the first time, whatever other clocks say.
 */
export interface CacheLeases {
  /** This process. */
  readonly processId: string;
  /** Whether leases may exist that have no row. */
  readonly isIncomplete: boolean;
  /** Sends a notification without a lease. */
  probe(channel: string, token: string): Promise<void>;
  /** Writes this process's lease and sends a notification in the same transaction. */
  renew(channel: string, token: string): Promise<void>;
  /** Removes this process's lease, which it must not use any more. */
  withdraw(): Promise<void>;
  /** Sends a call to all processes and returns when the present lease of each will have ended. */
  call(pool: pg.Pool, payload: string): Promise<Map<string, number>>;
}

/** @param pool with a connection that no request delays; its transactions go the way of all changes */
export function createCacheLeases(pool: pg.Pool): CacheLeases {
  const processId = randomUUID();
  let written: string = processId;
  const seen = new Map<string, { token: string; at: number }>();
  let incompleteSince: number | null = null;

  const observe = (rows: Rows): void => {
    const now = performance.now();
    const { [COMPLETE]: complete, ...leases } = rows ?? {};
    incompleteSince = complete === undefined ? (incompleteSince ?? now) : null;
    for (const id of seen.keys()) if (!(id in leases)) seen.delete(id);
    for (const [id, token] of Object.entries(leases)) {
      if (seen.get(id)?.token !== token) seen.set(id, { token, at: now });
    }
  };

  /** Removes rows of leases that have ended, and completes the table when those without a row have. */
  const tidy = async (token: string): Promise<void> => {
    const ended = performance.now() - LAPSE_MS;
    const over = [...seen].filter(([id, { at }]) => id !== processId && at < ended);
    if (over.length > 0) {
      await pool.query(
        `delete from cache_leases c using unnest($1::uuid[], $2::uuid[]) as over (process_id, token)
         where (c.process_id, c.token) = (over.process_id, over.token)`,
        [over.map(([id]) => id), over.map(([, lease]) => lease.token)],
      );
    }
    if (incompleteSince === null || incompleteSince >= ended) return;
    // If PostgreSQL has emptied the table once more, this process's row is missing, too.
    await pool.query(
      `insert into cache_leases select $1, $1 from cache_leases where (process_id, token) = ($2, $3)
       on conflict do nothing`,
      [COMPLETE, processId, token],
    );
  };

  return {
    processId,
    get isIncomplete() {
      return incompleteSince !== null;
    },
    probe: async (channel, token) => {
      await pool.query("select pg_notify($1, $2)", [channel, token]);
    },
    renew: async (channel, token) => {
      written = token;
      const { rows } = await pool.query<{ rows: Rows }>({
        name: "renew a cache lease",
        text: `with renewed as (insert into cache_leases values ($1, $2::uuid)
            on conflict (process_id) do update set token = excluded.token)
          select pg_notify($3, $2::text), ${rowsText}`,
        values: [processId, token, channel],
      });
      observe(rows[0]?.rows ?? null);
      // A later renewal repeats a failed one.
      tidy(token).catch(() => {});
    },
    withdraw: async () => {
      // Not the row of a later renewal, if this statement arrives after it.
      await pool.query("delete from cache_leases where (process_id, token) = ($1, $2)", [
        processId,
        written,
      ]);
    },
    call: async (requests, payload) => {
      const { rows } = await requests.query<{ rows: Rows }>({
        name: "call all processes",
        text: `select pg_notify('omoi_call', $1), ${rowsText}`,
        values: [payload],
      });
      observe(rows[0]?.rows ?? null);
      const ends = new Map([...seen].map(([id, { at }]) => [id, at + LAPSE_MS]));
      if (incompleteSince !== null) ends.set(COMPLETE, incompleteSince + LAPSE_MS);
      return ends;
    },
  };
}
