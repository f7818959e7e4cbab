import type { Command } from "commander";
import { pino } from "pino";
import { beginRestore, finishRestore } from "#server/backup/restore-backup.js";
import { removeIncomplete, takeBackup } from "#server/backup/take-backup.js";
import { readConfig, readSetting } from "#server/config/config.js";
import { settings } from "#server/config/settings.js";
import { recordInstallationEvent } from "#server/db/audit/installation-audit.js";
import { print } from "./output.js";
import type { Installation } from "#server/admin/installation.js";
import { inInstallation, type AdminOptions } from "./open-installation.js";
import { withPlace } from "./with-place.js";

/** Adds `omoi admin backup` and `omoi admin restore`. */
export function addBackupCommands(admin: Command): void {
  admin
    .command("backup")
    .description("Write a backup of everything while the server runs")
    .argument("<DIR>", "a new folder for the backup, or s3://BUCKET/PREFIX")
    .option("--replace-incomplete", "first delete what an interrupted backup left there")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `
The backup contains the database, the repositories, unsaved work in workspaces, logs and the secret,
as they were at one moment. Protect it like the server: its holder can sign in as any user.
s3:// uses the server OMOI_S3_ENDPOINT with its access key. The file SHA256SUMS is written last; a
backup without it was interrupted and cannot be restored.

Examples:
  omoi admin backup /var/backups/omoi/$(date +%F)
  omoi admin backup s3://backups/omoi/$(date +%F)
  (cd /var/backups/omoi/2026-11-26 && sha256sum --check SHA256SUMS)`,
    )
    .action(backUp);
  admin
    .command("restore")
    .description("Restore a backup into an empty data folder while the server is stopped")
    .argument("<DIR>", "the folder of the backup, or s3://BUCKET/PREFIX")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `
OMOI_DATA_DIR names the folder to create, OMOI_DATABASE_URL an empty database if the installation
uses its own. Run the same command again to repeat an interrupted restore.

Examples:
  OMOI_DATA_DIR=/var/lib/omoi omoi admin restore /var/backups/omoi/2026-11-26
  OMOI_DATA_DIR=/var/lib/omoi omoi admin restore s3://backups/omoi/2026-11-26`,
    )
    .action(restore);
}

interface BackupOptions extends AdminOptions {
  replaceIncomplete?: boolean;
}

async function backUp(to: string, { json, replaceIncomplete }: BackupOptions): Promise<void> {
  await inInstallation(async ({ config, pool, db, origin }) => {
    const report = await withPlace(to, config.objectStorage, async (place) => {
      if (replaceIncomplete === true) await removeIncomplete(place);
      return takeBackup(config, pool, place, progress);
    });
    await record(db, origin, "backup.created");
    print(json, report, () => {
      const { organizations, repositories, workspaces, rows } = report;
      const { folders_gone: gone, logs_missing: missing } = report;
      const noted =
        (gone.length === 0
          ? ""
          : `\nArchived or removed during the backup: workspaces of ${gone.join(", ")}`) +
        (missing.length === 0
          ? ""
          : `\nMissing in the object storage: logs of ${missing.join(", ")}`);
      return (
        `${report.folder}: ${organizations} organizations, ${repositories} repositories, ` +
        `${workspaces} workspaces, ${rows} rows${noted}`
      );
    });
  });
}

async function restore(from: string, { json }: AdminOptions): Promise<void> {
  const dataDir = readSetting(settings.dataDir);
  const objectStorage = settings.objectStorage.read(readSetting);
  const report = await withPlace(from, objectStorage, async (place) => {
    const manifest = await beginRestore(place, dataDir, readSetting(settings.secret) !== null);
    const log = pino({ level: "warn" }, pino.destination(2));
    return finishRestore(readConfig(), place, manifest, log, progress);
  });
  await inInstallation(({ db, origin }) => record(db, origin, "backup.restored"));
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

function record(
  db: Installation["db"],
  origin: Installation["origin"],
  action: "backup.created" | "backup.restored",
): Promise<void> {
  const change = { action, target: null, changes: {} };
  return db.transaction((tx) => recordInstallationEvent(tx, origin, change));
}

/** Shows progress on standard error, on one line of a terminal. */
function progress(what: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${what}`);
}
