import pg from "pg";
import { inject } from "vitest";
import type { TestApp } from "./app.js";

/** Runs one statement in an application's database as the administrator of its cluster. */
export async function asAdmin<Row extends pg.QueryResultRow = pg.QueryResultRow>(
  app: Pick<TestApp, "owner">,
  text: string,
  values: unknown[] = [],
): Promise<Row[]> {
  const { database } = app.owner;
  const client = new pg.Client({ ...inject("cluster").admin, database });
  await client.connect();
  try {
    return (await client.query<Row>(text, values)).rows;
  } finally {
    await client.end();
  }
}
