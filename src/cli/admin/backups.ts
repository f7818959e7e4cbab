import type { Command } from "commander";
import { readBackup } from "#server/backup/format.js";
import { bytesOf } from "#server/backup/repository/backup-files.js";
import { DamageError, type BackupRepository } from "#server/backup/repository/repository.js";
import { verifyBackups } from "#server/backup/repository/verify-backups.js";
import { choose, isInRepository, withRepository, withSource } from "./backup-source.js";
import type { AdminOptions } from "./open-installation.js";
import { exitCodes, print, shownBytes, shownTime, table } from "./output.js";
import { progress } from "./progress.js";

interface BackupsOptions extends AdminOptions {
  verify?: boolean;
}

/** Adds `omoi admin backups`. */
export function addBackupsCommand(admin: Command): void {
  admin
    .command("backups")
    .description("List or verify the backups in OMOI_BACKUP_REPOSITORY")
    .argument("[BACKUP]", "one backup: its name, latest, a time, a folder or s3://BUCKET/PREFIX")
    .option("--verify", "read them and compare the hash of each part, without restoring")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `
Needs neither the database nor the data folder, and reads OMOI_BACKUP_REPOSITORY and OMOI_BACKUP_KEY.
With --verify, the exit code is 1 if a backup is damaged.

Examples:
  omoi admin backups
  omoi admin backups --verify
  omoi admin backups latest --verify
  omoi admin backups /var/backups/omoi/2026-11-26 --verify`,
    )
    .action(async (text: string | undefined, options: BackupsOptions) => {
      if (text !== undefined && !isInRepository(text)) {
        await withSource(text, readBackup);
        print(options.json, [{ name: text, fault: null }], () => `Intact: ${text}.`);
      } else {
        await withRepository((repository) => showBackups(repository, text, options));
      }
    });
}

/** A row of the list; null where the record is damaged. */
interface ListedBackup {
  name: string;
  created_at: string;
  node_id: string | null;
  node_name: string | null;
  bytes: number | null;
  new_bytes: number | null;
  verified_at: string | null;
}

async function showBackups(
  repository: BackupRepository,
  text: string | undefined,
  { verify, json }: BackupsOptions,
): Promise<void> {
  const all = await repository.list();
  const backups = text === undefined ? all : [choose(all, text)];
  if (verify === true) {
    const names = backups.map(({ name }) => name);
    const verified = await verifyBackups(repository, names, progress);
    print(json, verified, () =>
      verified
        .map(({ name, fault }) =>
          fault === null ? `Intact: ${name}.` : `BROKEN  ${name}: ${fault}`,
        )
        .join("\n"),
    );
    if (verified.some(({ fault }) => fault !== null)) process.exitCode = exitCodes.failed;
    return;
  }
  const rows: ListedBackup[] = [];
  for (const { name, createdAt } of backups) {
    const record = await repository.readRecord(name).catch((error: unknown) => {
      if (error instanceof DamageError) return null;
      throw error;
    });
    rows.push({
      name,
      created_at: createdAt.toISOString(),
      node_id: record?.node.id ?? null,
      node_name: record?.node.name ?? null,
      bytes: record && bytesOf(record),
      new_bytes: record && record.new_bytes,
      verified_at: await repository.verifiedAt(name),
    });
  }
  print(json, rows, () =>
    table(
      ["BACKUP", "SERVER", "TIME", "SIZE", "NEW", "VERIFIED"],
      rows.map(({ name, node_name, created_at, bytes, new_bytes, verified_at }) => [
        name,
        node_name ?? "",
        shownTime(created_at),
        bytes === null ? "damaged" : shownBytes(bytes),
        new_bytes === null ? "" : shownBytes(new_bytes),
        shownTime(verified_at),
      ]),
    ),
  );
}
