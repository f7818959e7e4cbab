/**
 * Restores a backup into an empty data folder. A marker file exists until the restore is complete: the
 * server refuses to start on such a folder, and another restore begins again.
 */
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { drizzle } from "drizzle-orm/node-postgres";
import type pg from "pg";
import type { Logger } from "pino";
import { ConfigError } from "#shared/node/config-error.js";
import { writeNodeId } from "../cluster/data-folder-identity.js";
import type { Config } from "../config/config.js";
import { restrictDataDir, restoringName } from "../data-folder/data-folder.js";
import { databaseAddress, type DatabaseAddress } from "../db/connection/address.js";
import { connectOrExplain } from "../db/connection/try-connection.js";
import { openDatabase, type Queryable } from "../db/connection/connect.js";
import { startEmbeddedPostgres } from "../db/embedded/embedded.js";
import { checkSecret } from "../db/installation.js";
import { migrationNames } from "../db/migrate.js";
import { flushToDisk } from "#git/files/atomic-directory.js";
import { forgetAllLayers } from "../features/execution/environments/index.js";
import { recreateFolders } from "../features/code/workspaces/index.js";
import { storageIn } from "../data-folder/storage.js";
import { extract, requireTar } from "./archives.js";
import type { BackupSource } from "./backup-place.js";
import { readBackup, readText, refsName, secretName, type Manifest } from "./format.js";
import { loadTables } from "./tables.js";

/** Counts of restored items. */
export interface RestoreReport {
  dataDir: string;
  created_at: string;
  rows: number;
  archives: number;
  /**
   * Agents whose folders were recreated from their branches, because the backup does not contain them.
   */
  recreated: string[];
}

/**
 * Prepares the data folder for a restore and copies the backup's secret into it, unless OMOI_SECRET is
 * set. Runs before the configuration is read, which would otherwise generate a secret.
 * @throws ConfigError when the backup is damaged or the folder is in use
 */
export async function beginRestore(
  place: BackupSource,
  dataDir: string,
  hasSecret: boolean,
): Promise<Manifest> {
  await requireTar();
  const manifest = await readBackup(place);
  await requireSameVersion(manifest);
  if (manifest.needs_root && process.getuid?.() !== 0) {
    throw new ConfigError("The backup contains files of several users; restore it as root");
  }
  const found: string[] = await readdir(dataDir).catch(() => []);
  if (found.length > 0 && !found.includes(restoringName)) {
    throw new ConfigError(
      `${dataDir} is not empty; set OMOI_DATA_DIR to a new folder, or move this one away`,
    );
  }
  await mkdir(dataDir, { recursive: true, mode: 0o711 });
  await writeFile(join(dataDir, restoringName), "", { flush: true });
  // Remains of an earlier interrupted restore.
  for (const name of found) {
    if (name !== restoringName) await rm(join(dataDir, name), { recursive: true, force: true });
  }
  if (!hasSecret) {
    const secret = (await readText(place, secretName)) ?? "";
    await writeFile(join(dataDir, secretName), secret, { mode: 0o600, flush: true });
  }
  return manifest;
}

/**
 * Restores a backup accepted by `beginRestore`.
 * @throws ConfigError
 */
export async function finishRestore(
  config: Config,
  place: BackupSource,
  manifest: Manifest,
  log: Logger,
  onProgress: (line: string) => void,
): Promise<RestoreReport> {
  const { dataDir } = config;
  restrictDataDir(dataDir, config.sandbox === "off" && process.getuid?.() === 0);
  const names = [refsName];
  const found = await place.list();
  for (const part of ["objects", "layers", "folders", "logs"]) {
    names.push(...found.filter((name) => name.startsWith(`${part}/`)));
  }
  for (const name of names) {
    onProgress(name);
    await extract(place, name, dataDir);
  }
  writeNodeId(dataDir, manifest.node_id);
  onProgress("database");
  const recreated = await withNewDatabase(config, log, async (address) => {
    const client = await connectOwner(address);
    try {
      await loadTables(client, place, manifest.tables);
      await checkSecret(client, config.secret);
      const db = drizzle(client) as Queryable;
      await forgetAllLayers(db);
      return await recreateFolders(db, config, storageIn(dataDir), manifest.folders_gone, log);
    } finally {
      await client.end();
    }
  });
  await flushToDisk(dataDir);
  await rm(join(dataDir, restoringName));
  return {
    dataDir,
    created_at: manifest.created_at,
    rows: Object.values(manifest.tables).reduce((sum, count) => sum + count, 0),
    archives: names.length,
    recreated,
  };
}

async function requireSameVersion({ migrations }: Manifest): Promise<void> {
  const own = await migrationNames();
  if (own.join() === migrations.join()) return;
  const isNewer = migrations.some((name) => !own.includes(name));
  throw new ConfigError(
    isNewer
      ? "The backup was made by a newer Omoi; restore it with that version"
      : "The backup was made by an older Omoi; restore it with that version, and then start this version on it",
  );
}

/** Migrates an empty database to this version and lets `work` fill its tables. */
async function withNewDatabase<Result>(
  config: Config,
  log: Logger,
  work: (address: DatabaseAddress) => Promise<Result>,
): Promise<Result> {
  const embedded =
    config.databaseUrl === null
      ? await startEmbeddedPostgres({
          dataDir: join(config.dataDir, "postgres"),
          uid: config.databaseUid,
        })
      : null;
  try {
    const address = databaseAddress(config, embedded);
    const db = await openDatabase(address, config.secret, log);
    const used = await db.withSystem("check that the database is empty", (tx) =>
      tx.execute("select from users limit 1"),
    );
    await db.close();
    if (used.rows.length > 0) {
      throw new ConfigError(
        "The database of OMOI_DATABASE_URL is not empty; set it to an empty database",
      );
    }
    return await work(address);
  } finally {
    await embedded?.stop();
  }
}

async function connectOwner({ owner }: DatabaseAddress): Promise<pg.Client> {
  const client = await connectOrExplain(owner, "OMOI_DATABASE_URL");
  await client.query("set timezone to 'UTC'; set app.system to 'on'");
  return client;
}
