import { existsSync } from "node:fs";
import { join } from "node:path";
import { drizzle } from "drizzle-orm/node-postgres";
import { ConfigError } from "#shared/node/config-error.js";
import type { Config } from "../config/config.js";
import { databaseAddress } from "../db/connection/address.js";
import type { Queryable } from "../db/connection/connect.js";
import { connectOrExplain, connectWithSessions } from "../db/connection/try-connection.js";
import type { ServerConfig } from "../db/hosts/database-client.js";
import { EmbeddedPostgresError, withOfflinePostgres } from "../db/embedded/embedded.js";

/**
 * Passes the database's owner address to `work`, whether or not the server is running. An embedded
 * PostgreSQL is started for the duration.
 * @throws ConfigError when no database exists, or a pooler shares its sessions
 */
export async function withOwnerAddress<Result>(
  config: Config,
  work: (address: ServerConfig) => Promise<Result>,
): Promise<Result> {
  if (config.databaseUrl !== null) {
    const { owner } = databaseAddress(config, null);
    // Settings and locks of a session would reach other clients of a pooler in transaction mode.
    const variable = config.databaseDirectUrl ? "OMOI_DATABASE_DIRECT_URL" : "OMOI_DATABASE_URL";
    await (await connectWithSessions(owner, variable)).end();
    return work(owner);
  }
  const dataDir = join(config.dataDir, "postgres");
  if (!existsSync(join(dataDir, "PG_VERSION"))) {
    throw new ConfigError(
      `${config.dataDir} contains no database; set OMOI_DATA_DIR to its folder`,
    );
  }
  const embedded = await withOfflinePostgres({ dataDir, uid: config.databaseUid });
  try {
    const { host, port, user, database } = embedded;
    return await work({ host, port, user, database });
  } finally {
    await embedded.stop();
  }
}

/**
 * Lets `work` read the rows of all organizations in a read-only transaction.
 * @throws ConfigError when no database exists
 */
export function withOfflineDatabase<Result>(
  config: Config,
  work: (db: Queryable) => Promise<Result>,
): Promise<Result> {
  return withOwnerAddress(config, async (address) => {
    const client = await connectOrExplain(address, "OMOI_DATABASE_URL");
    try {
      await client.query(
        "set timezone to 'UTC'; set app.system to 'on'; set default_transaction_read_only to on",
      );
      return await work(drizzle(client) as Queryable);
    } finally {
      await client.end();
    }
  });
}

/**
 * Runs a command and sets the exit code: 0 when it returns true. An expected error is printed in one
 * line.
 */
export async function exitWith(command: () => Promise<boolean>): Promise<void> {
  try {
    process.exitCode = (await command()) ? 0 : 1;
  } catch (error) {
    const expected = error instanceof ConfigError || error instanceof EmbeddedPostgresError;
    process.stderr.write(`omoi: ${expected ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
