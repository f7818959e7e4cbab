import pg from "pg";
import type { TestApp } from "./app.js";

/** Runs one statement as the owner of the database, for data only an operator can see or set. */
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

/**
 * Returns the URL of an application's database, as an operator would pass it to another program.
 */
export function databaseUrlOf({ owner }: Pick<TestApp, "owner">): string {
  const { host, port, user, password, database } = owner;
  const url = new URL(`postgres://localhost/${database}`);
  url.username = String(user);
  if (typeof password === "string") url.password = password;
  url.searchParams.set("host", String(host));
  if (port !== undefined) url.searchParams.set("port", String(port));
  return url.href;
}
