import type { Command } from "commander";
import { pino } from "pino";
import { findClusterNode } from "#server/features/operation/nodes/index.js";
import { beginRestore, finishRestore } from "#server/backup/restore-backup.js";
import { withPlace } from "#server/backup/backup-place.js";
import {
  createBackup,
  pruneBackups,
  recordBackup,
} from "#server/backup/repository/create-backup.js";
import { removeIncomplete, takeBackup, type BackupReport } from "#server/backup/take-backup.js";
import { readConfig, readSetting } from "#server/config/config.js";
import { settings } from "#server/config/settings.js";
import { recordInstallationEvent } from "#server/db/audit/installation-audit.js";
import { UsageError } from "../output/failures.js";
import { withSource } from "./backup-source.js";
import { print, shownBytes } from "./output.js";
import { inInstallation, type AdminOptions } from "./open-installation.js";
import { progress } from "./progress.js";

/** Adds `omoi admin backup` and `omoi admin restore`. */
export function addBackupCommands(admin: Command): void {
  admin
    .command("backup")
    .description("Write a backup of everything while the server runs")
    .argument("[DIR]", "a new folder for the backup, or s3://BUCKET/PREFIX")
    .option("--replace-incomplete", "first delete what an interrupted backup left there")
    .option("--take-over", "use the backup repository of the installation that this one replaces")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `
The backup contains the database, the repositories, unsaved work in workspaces, logs and the secret,
as they were at one moment. Protect it like the server: its holder can sign in as any user.
Without DIR, it is added to OMOI_BACKUP_REPOSITORY: only new data is stored, encrypted with
OMOI_BACKUP_KEY, and then backups beyond OMOI_BACKUP_KEEP are deleted. omoi admin backups lists them.
s3:// uses the server OMOI_S3_ENDPOINT with its access key. In DIR, the file SHA256SUMS is written
last; a backup without it was interrupted and cannot be restored.

Examples:
  omoi admin backup
  omoi admin backup /var/backups/omoi/$(date +%F)
  omoi admin backup s3://backups/omoi/$(date +%F)
  (cd /var/backups/omoi/2026-11-26 && sha256sum --check SHA256SUMS)`,
    )
    .action(backUp);
  admin
    .command("restore")
    .description("Restore a backup into an empty data folder while the server is stopped")
    .argument(
      "<BACKUP>",
      "a folder, s3://BUCKET/PREFIX, or one that omoi admin backups lists: its name, latest, a time",
    )
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `
OMOI_DATA_DIR names the folder to create, OMOI_DATABASE_URL an empty database if the installation
uses its own. Run the same command again to repeat an interrupted restore. Backups of
OMOI_BACKUP_REPOSITORY are named as omoi admin backups lists them; a time stands for the newest
backup until then.

Examples:
  OMOI_DATA_DIR=/var/lib/omoi omoi admin restore latest
  OMOI_DATA_DIR=/var/lib/omoi omoi admin restore 2026-11-26T12:00Z
  OMOI_DATA_DIR=/var/lib/omoi omoi admin restore /var/backups/omoi/2026-11-26
  OMOI_DATA_DIR=/var/lib/omoi omoi admin restore s3://backups/omoi/2026-11-26`,
    )
    .action(restore);
}

interface BackupOptions extends AdminOptions {
  replaceIncomplete?: boolean;
  takeOver?: boolean;
}

async function backUp(to: string | undefined, options: BackupOptions): Promise<void> {
  if (to === undefined) return backUpToRepository(options);
  const { json, replaceIncomplete, takeOver } = options;
  if (takeOver === true) throw new UsageError("--take-over is for a backup without DIR");
  await inInstallation(async ({ config, pool, db, origin }) => {
    const report = await withPlace(to, config.objectStorage, async (place) => {
      if (replaceIncomplete === true) await removeIncomplete(place);
      return takeBackup(config, pool, place, progress);
    });
    const { node_id: id } = report;
    const node = await db.transaction((tx) => findClusterNode(tx, { id }));
    await recordBackup({ db, origin }, node);
    print(json, report, () => `${report.folder}: ${describe(report)}`);
  });
}

async function backUpToRepository({
  json,
  replaceIncomplete,
  takeOver,
}: BackupOptions): Promise<void> {
  if (replaceIncomplete === true) throw new UsageError("--replace-incomplete needs DIR");
  await inInstallation(async (installation) => {
    const { backups, objectStorage } = installation.config;
    if (backups === null) {
      throw new UsageError("Give a folder for the backup, or set OMOI_BACKUP_REPOSITORY");
    }
    const created = await withPlace(backups.repository, objectStorage, async (place) => {
      const { signal } = new AbortController();
      const work = { installation, place, settings: backups, signal, onProgress: progress };
      const backup = await createBackup({ ...work, takeOver: takeOver === true });
      return { ...backup, deleted: await pruneBackups(work) };
    });
    print(json, created, () => {
      const { name, bytes, new_bytes: added, deleted } = created;
      const removed = deleted.length > 0 ? `\nDeleted: ${deleted.join(", ")}` : "";
      const size = `${shownBytes(bytes)}, of which ${shownBytes(added)} new`;
      return `${name}: ${describe(created)}, ${size}${removed}`;
    });
  });
}

function describe(report: BackupReport): string {
  const { organizations, repositories, workspaces, rows } = report;
  const { folders_gone: gone, logs_missing: missing } = report;
  const noted =
    (gone.length === 0
      ? ""
      : `\nArchived or removed during the backup: workspaces of ${gone.join(", ")}`) +
    (missing.length === 0 ? "" : `\nMissing in the object storage: logs of ${missing.join(", ")}`);
  return (
    `${organizations} organizations, ${repositories} repositories, ` +
    `${workspaces} workspaces, ${rows} rows${noted}`
  );
}

async function restore(from: string, { json }: AdminOptions): Promise<void> {
  const dataDir = readSetting(settings.dataDir);
  const report = await withSource(from, async (source) => {
    const manifest = await beginRestore(source, dataDir, readSetting(settings.secret) !== null);
    const log = pino({ level: "warn" }, pino.destination(2));
    return finishRestore(readConfig(), source, manifest, log, progress);
  });
  await inInstallation(({ db, origin }) =>
    db.transaction((tx) =>
      recordInstallationEvent(tx, origin, {
        action: "backup.restored",
        target: null,
        changes: {},
      }),
    ),
  );
  print(json, report, () => {
    const { recreated } = report;
    const noted =
      recreated.length === 0
        ? ""
        : `\nRestored without unsaved work, since archived during the backup: ${recreated.join(", ")}`;
    return (
      `${report.dataDir} is as it was on ${report.created_at} (${report.rows} rows, ` +
      `${report.archives} archives); start the server${noted}`
    );
  });
}
