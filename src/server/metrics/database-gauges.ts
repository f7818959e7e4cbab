import { sql, type SQL } from "drizzle-orm";
import type { Logger } from "pino";
import type { Database, Queryable } from "../db/connection/connect.js";
import type { GaugeSource, LabeledValue } from "./metrics.js";

/** A gauge over all organizations, whose values come from the database. */
export interface DatabaseGauge extends Omit<GaugeSource, "read"> {
  /** Reads the values. It requires a system transaction. */
  query: (tx: Queryable) => Promise<readonly LabeledValue[]>;
}

/** How long database figures are cached, so that frequent scrapes do not load the database. */
const CACHE_MS = 10_000;
/** Timeout of a metrics query, and the time after which no other one begins. */
const QUERY_TIMEOUT_MS = 5000;

/**
 * Returns gauges that are read together, one after the other, at most every 10 seconds. A gauge is omitted while the
 * database cannot answer its query.
 */
export function readTogether(
  gauges: readonly DatabaseGauge[],
  db: Pick<Database, "withSystemTx">,
  log: Logger,
): GaugeSource[] {
  const readAll = async (): Promise<Map<string, readonly LabeledValue[]>> => {
    const figures = new Map<string, readonly LabeledValue[]>();
    const until = performance.now() + QUERY_TIMEOUT_MS;
    for (const { name, query } of gauges) {
      if (performance.now() > until) break;
      try {
        const values = await db.withSystemTx("read metrics", async (tx) => {
          await tx.execute(sql.raw(`set local statement_timeout = ${QUERY_TIMEOUT_MS}`));
          return query(tx);
        });
        figures.set(name, values);
      } catch (error) {
        log.warn({ err: error, metric: name }, "cannot read figures for metrics");
      }
    }
    return figures;
  };
  const figures = cacheFor(CACHE_MS, readAll);
  return gauges.map(({ query: _query, ...gauge }) => ({
    ...gauge,
    read: async () => (await figures()).get(gauge.name) ?? [],
  }));
}

interface ValueRow extends Record<string, unknown> {
  /** The values of the gauge's labels; missing without labels. */
  labels?: string[];
  value: number | null;
}

/** Runs a query with a `ValueRow` for each value; null is no value. */
export async function valuesOf(tx: Queryable, query: SQL): Promise<LabeledValue[]> {
  const { rows } = await tx.execute<ValueRow>(query);
  return rows.flatMap(({ labels = [], value }): LabeledValue[] =>
    value === null ? [] : [[labels, value]],
  );
}

/**
 * Adds zeros for missing values of the known labels: without their series, an alert cannot tell none from unknown.
 * @param known the label of a gauge with one, or those of each series
 */
export function withZeros(
  known: readonly (string | readonly string[])[],
  values: readonly LabeledValue[],
): LabeledValue[] {
  const zeros = known.map((labels): LabeledValue => [[labels].flat(), 0]);
  const bySeries = new Map([...zeros, ...values].map((value) => [value[0].join("\0"), value]));
  return [...bySeries.values()];
}

/**
 * Caches a value for `ms` milliseconds after it was read. Concurrent callers share one read.
 * @param read must not reject
 */
function cacheFor<Value>(ms: number, read: () => Promise<Value>): () => Promise<Value> {
  let value: Promise<Value> | undefined;
  let staleAt = 0;
  return () => {
    if (value === undefined || performance.now() > staleAt) {
      staleAt = Infinity;
      value = read().finally(() => {
        staleAt = performance.now() + ms;
      });
    }
    return value;
  };
}
