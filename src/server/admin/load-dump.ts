/** The way back from an upgrade: the rows of a dump in the schema of the version that wrote them. */
import { existsSync } from "node:fs";
import type pg from "pg";
import { ConfigError } from "#shared/node/config-error.js";
import type { Config } from "../config/config.js";
import { lockDataFolder } from "../data-folder/data-folder-lock.js";
import { storageIn } from "../data-folder/storage.js";
import { connectOrExplain } from "../db/connection/try-connection.js";
import { dumpedBefore, dumpPath, loadDump, writeDump } from "../db/dump.js";
import { OWNER } from "../db/embedded/owner.js";
import { createEarlierSchema, migrationNames } from "../db/migrate.js";
import { isServed } from "./installation.js";
import { withOwnerAddress } from "./offline-database.js";

export interface LoadedDump {
  /** The newest migration that the version of the dump has. */
  last_migration: string;
  /** The dump of the rows that were replaced. */
  replaced: string;
}

/**
 * Replaces the database by the rows of a dump that was made before a migration, in one transaction. The present rows
 * are dumped first. The version that wrote the dump then starts on the database.
 * @param path `before-<migration>-<time>.sql.gz`
 * @throws ConfigError when the file is no such dump, or a server runs
 */
export async function loadDumpOf(config: Config, path: string): Promise<LoadedDump> {
  const next = dumpedBefore(path);
  if (next === null || !existsSync(path)) {
    throw new ConfigError(
      `${path} is no dump; give a file before-….sql.gz from the folder dumps, under its own name`,
    );
  }
  const names = await migrationNames();
  const last = names[names.indexOf(next) - 1];
  if (last === undefined) {
    throw new ConfigError(
      `This version has no migration ${next}; use the omoi of the version that wrote the dump`,
    );
  }
  await lockDataFolder(config.dataDir, config.databaseUrl === null);
  return withOwnerAddress(config, async (address) => {
    const client = await connectOrExplain(address, "OMOI_DATABASE_URL");
    try {
      await client.query("set timezone to 'UTC'; set app.system to 'on'");
      // The embedded database is opened as its superuser.
      if (config.databaseUrl === null) await client.query(`set role ${OWNER}`);
      if (await isServed(client, config)) {
        throw new ConfigError("A server uses the database; stop all servers of the installation");
      }
      const replaced = dumpPath(storageIn(config.dataDir).dumps, "after", await newestOf(client));
      await writeDump(client, replaced);
      await client.query("begin");
      await createEarlierSchema(client, next);
      await loadDump(client, path);
      await client.query("commit");
      return { last_migration: last, replaced };
    } finally {
      await client.end();
    }
  });
}

/** Returns the newest migration of the database. @throws ConfigError when it has none */
async function newestOf(client: pg.Client): Promise<string> {
  const { rows } = await client
    .query<{ name: string | null }>("select max(name) as name from schema_migrations")
    .catch(() => ({ rows: [] }));
  const name = rows[0]?.name ?? null;
  if (name === null) {
    throw new ConfigError(
      "The database is empty; start and stop this version on it once, then load the dump",
    );
  }
  return name;
}
