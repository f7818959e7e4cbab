import pg from "pg";
import { inject } from "vitest";
import type { TestApp } from "../server/app.js";

type Row = pg.QueryResultRow;

/** Runs one statement as the owner of the database, for data that the API does not expose. */
export function queryAsOwner<Result extends Row = Row>(
  app: Pick<TestApp, "owner">,
  text: string,
  values: unknown[] = [],
): Promise<Result[]> {
  const options = "-c app.system=on -c timezone=UTC";
  return query({ ...app.owner, options }, text, values);
}

/** Runs one statement in an application's database as the administrator of its cluster. */
export function queryAsAdmin<Result extends Row = Row>(
  app: Pick<TestApp, "owner">,
  text: string,
  values: unknown[] = [],
): Promise<Result[]> {
  const { database } = app.owner;
  return query({ ...inject("cluster").admin, database }, text, values);
}

/** By address: a connection of its own for each statement costs fifty times as much as the statement. */
const pools = new Map<string, pg.Pool>();

async function query<Result extends Row>(
  config: pg.ClientConfig,
  text: string,
  values: unknown[],
): Promise<Result[]> {
  const key = [config.host, config.port, config.user, config.database].join(" ");
  let pool = pools.get(key);
  if (pool === undefined) {
    pool = new pg.Pool({ ...config, max: 4, idleTimeoutMillis: 1000, allowExitOnIdle: true });
    // A test may stop its database.
    pool.on("error", () => {});
    pools.set(key, pool);
  }
  return (await pool.query<Result>(text, values)).rows;
}

/** Returns the URL of an application's database, for settings and command lines. */
export function databaseUrlOf({ owner }: Pick<TestApp, "owner">): string {
  const { host, port, user, password, database } = owner;
  const url = new URL(`postgres://localhost/${database}`);
  url.username = String(user);
  if (typeof password === "string") url.password = password;
  url.searchParams.set("host", String(host));
  if (port !== undefined) url.searchParams.set("port", String(port));
  return url.href;
}
