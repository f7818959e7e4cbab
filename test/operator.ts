import pg from "pg";
import type { TestApp } from "./app.js";

/** Runs one statement as the owner of the database: what only an operator could see or set. */
export async function asOperator<Row extends pg.QueryResultRow = pg.QueryResultRow>(
  app: Pick<TestApp, "owner">,
  text: string,
  values: unknown[] = [],
): Promise<Row[]> {
  const client = new pg.Client({ ...app.owner, options: "-c app.system=on -c timezone=UTC" });
  await client.connect();
  try {
    return (await client.query<Row>(text, values)).rows;
  } finally {
    await client.end();
  }
}
