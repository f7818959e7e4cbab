import type { NodePgQueryResultHKT } from "drizzle-orm/node-postgres";
import type { PgDatabase } from "drizzle-orm/pg-core";
import type pg from "pg";

/** A handle to run queries on: a transaction or a pool. */
export type Queryable = PgDatabase<NodePgQueryResultHKT>;

/** Returns the text and values of a query, to send it later. */
export function statementOf(query: {
  toSQL(): { sql: string; params: unknown[] };
}): pg.QueryConfig {
  const { sql, params } = query.toSQL();
  return { text: sql, values: params };
}

/**
 * Returns a query that is built once, for queries on hot paths: building one takes longer than
 * PostgreSQL takes to answer it.
 * @param build prepares the query, with placeholders for its values
 */
export function reusable<Values extends Record<string, unknown>, Result>(
  build: (tx: Queryable) => { execute(values: Values): Promise<Result> },
): (tx: Queryable, values: Values) => Promise<Result> {
  let built: ReturnType<typeof build> | undefined;
  return (tx, values) => {
    built ??= build(tx);
    // Drizzle keeps the connection of a prepared query in `client`.
    const client = (tx as Queryable & { $client: pg.Pool | pg.PoolClient }).$client;
    const own = Object.create(built, { client: { value: client } }) as typeof built;
    return own.execute(values);
  };
}

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
