import { type BackupSource, withPlace } from "#server/backup/backup-place.js";
import { sourceOf } from "#server/backup/repository/backup-files.js";
import {
  openRepository,
  parseBackupName,
  type BackupName,
  type BackupRepository,
} from "#server/backup/repository/repository.js";
import { readSetting } from "#server/config/config.js";
import { settings } from "#server/config/settings.js";
import { ConfigError } from "#shared/node/config-error.js";

/** A time with its day in ISO 8601 and UTC. */
const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?Z$/;

/** Whether an argument names a backup of the backup repository, and neither a folder nor a bucket. */
export function isInRepository(text: string): boolean {
  return text === "latest" || time.test(text) || parseBackupName(text) !== null;
}

/**
 * Lets `work` read a backup: a folder, `s3://BUCKET/PREFIX`, or one of the backup repository by its name, `latest` or a time.
 * @throws ConfigError
 */
export function withSource<Result>(
  text: string,
  work: (source: BackupSource) => Promise<Result>,
): Promise<Result> {
  if (!isInRepository(text)) {
    return withPlace(text, settings.objectStorage.read(readSetting), work);
  }
  return withRepository(async (repository) => {
    const { name } = choose(await repository.list(), text);
    return work(await sourceOf(repository, name));
  });
}

/** Opens the backup repository of the settings for reading. @throws ConfigError */
export function withRepository<Result>(
  work: (repository: BackupRepository) => Promise<Result>,
): Promise<Result> {
  const backups = settings.backups.read(readSetting);
  if (backups === null) {
    throw new ConfigError("Set OMOI_BACKUP_REPOSITORY to the place of the backups");
  }
  const objectStorage = settings.objectStorage.read(readSetting);
  return withPlace(backups.repository, objectStorage, async (place) =>
    work(await openRepository(place, backups.key)),
  );
}

/**
 * Chooses a backup by its name, or the newest one, or the newest one that is not later than a time.
 * @throws ConfigError if there is none, or several servers have one
 */
export function choose(backups: readonly BackupName[], text: string): BackupName {
  const limit = text === "latest" ? Infinity : Date.parse(text);
  const found = time.test(text) || text === "latest";
  const candidates = backups.filter((backup) =>
    found ? backup.createdAt.getTime() <= limit : backup.name === text,
  );
  const newest = candidates.at(-1);
  if (newest === undefined) {
    throw new ConfigError(`There is no backup ${text}; omoi admin backups lists them`);
  }
  if (candidates.some(({ node }) => node !== newest.node)) {
    throw new ConfigError(
      "There are backups of several servers; give the name of one, which omoi admin backups lists",
    );
  }
  return newest;
}
