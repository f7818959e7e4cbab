import { existsSync } from "node:fs";
import { join } from "node:path";
import { drizzle } from "drizzle-orm/node-postgres";
import pg from "pg";
import { ConfigError } from "./config-values.js";
import { type Config } from "./config.js";
import { databaseAddress } from "./db/address.js";
import type { Queryable } from "./db/connect.js";
import { EmbeddedPostgresError, visitEmbeddedPostgres } from "./db/embedded.js";

/**
 * Lets `work` read all organizations' rows, whether the server runs or not, and change none.
 * @throws ConfigError where there is no database
 */
export async function visitDatabase<Result>(
  config: Config,
  work: (db: Queryable) => Promise<Result>,
): Promise<Result> {
  const dataDir = join(config.dataDir, "postgres");
  if (config.databaseUrl === null && !existsSync(join(dataDir, "PG_VERSION"))) {
    throw new ConfigError(
      `There is no database in ${config.dataDir}; set OMOI_DATA_DIR to its folder`,
    );
  }
  const embedded =
    config.databaseUrl === null
      ? await visitEmbeddedPostgres({ dataDir, uid: config.databaseUid })
      : null;
  const client = new pg.Client({
    ...(embedded
      ? {
          host: embedded.host,
          port: embedded.port,
          user: embedded.user,
          database: embedded.database,
        }
      : databaseAddress(config, null).owner),
  });
  try {
    await client.connect();
    await client.query(
      "set timezone to 'UTC'; set app.system to 'on'; set default_transaction_read_only to on",
    );
    return await work(drizzle(client) as Queryable);
  } finally {
    await client.end();
    await embedded?.stop();
  }
}

/** Runs a command to its end: exit code 0 where it answers true; an error is told in one line. */
export async function exitWith(command: () => Promise<boolean>): Promise<void> {
  try {
    process.exitCode = (await command()) ? 0 : 1;
  } catch (error) {
    const expected = error instanceof ConfigError || error instanceof EmbeddedPostgresError;
    process.stderr.write(`omoi: ${expected ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
