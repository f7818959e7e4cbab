import type { NodePgQueryResultHKT } from "drizzle-orm/node-postgres";
import type { PgDatabase } from "drizzle-orm/pg-core";
import type pg from "pg";

/** A handle to run queries on: a transaction or a pool. */
export type Queryable = PgDatabase<NodePgQueryResultHKT>;

/**
 * Runs a named statement, which each connection plans once, for queries on hot paths.
 * @param text uses `$1`, `$2`, … for the values
 */
export async function prepared<Row extends pg.QueryResultRow>(
  tx: Queryable,
  name: string,
  text: string,
  values: unknown[],
): Promise<Row[]> {
  const { $client } = tx as Queryable & { $client: pg.Pool | pg.PoolClient };
  return (await $client.query<Row>({ name, text, values })).rows;
}
