/** The backups that are kept, and the deletion of the others. */
import { keepPeriods, type Keep, type KeepPeriod } from "../../config/backup-settings.js";
import { partial } from "../backup-place.js";
import {
  chunkName,
  parseBackupName,
  recordName,
  verifiedName,
  type BackupName,
  type BackupRepository,
} from "./repository.js";

const DAY_MS = 86_400_000;

/** Returns a text that two times of one period have in common; weeks begin on Monday. */
function periodOf({ name, createdAt }: BackupName, period: KeepPeriod): string {
  const time = createdAt.toISOString();
  switch (period) {
    case "last":
      return name;
    case "hourly":
      return time.slice(0, 13);
    case "daily":
      return time.slice(0, 10);
    case "weekly":
      // Day 0 was a Thursday.
      return String(Math.floor((Math.floor(createdAt.getTime() / DAY_MS) + 3) / 7));
    case "monthly":
      return time.slice(0, 7);
    case "yearly":
      return time.slice(0, 4);
  }
}

/** Chooses the backups to keep, for each server on its own. The newest one of a server is always kept. */
export function selectKept(backups: readonly BackupName[], keep: Keep): Set<string> {
  const kept = new Set<string>();
  for (const server of new Set(backups.map(({ node }) => node))) {
    const newestFirst = backups
      .filter(({ node }) => node === server)
      .toSorted((a, b) => b.createdAt.getTime() - a.createdAt.getTime());
    if (newestFirst[0]) kept.add(newestFirst[0].name);
    for (const period of keepPeriods) {
      const seen = new Set<string>();
      for (const backup of newestFirst) {
        const start = periodOf(backup, period);
        if (seen.has(start)) continue;
        if (seen.size === (keep[period] ?? 0)) break;
        seen.add(start);
        kept.add(backup.name);
      }
    }
  }
  return kept;
}

/** Whether a file is neither of a backup nor the rest of an interrupted write. */
function isForeign(name: string, folder: string): boolean {
  return folder === "backups/" && parseBackupName(name) === null && !name.includes(partial);
}

/** Deletions between two checks of the lock. */
const CHECK_EVERY = 100;

/**
 * Deletes the backups that are not kept, and the chunks that no kept backup has. Run again, it continues. Runs while no
 * backup is being made, so that a chunk without a record belongs to none.
 * @param requireLock rejects if a backup may have begun meanwhile
 * @returns the deleted backups
 * @throws DamageError if a record is damaged: nothing is deleted then, since its chunks are not known
 */
export async function prune(
  repository: BackupRepository,
  keep: Keep,
  requireLock: () => Promise<void>,
): Promise<string[]> {
  const { place } = repository;
  const backups = await repository.list();
  const kept = selectKept(backups, keep);
  // Nothing may be deleted because a list is not what it should be.
  if (kept.size === 0) return [];
  const needed = new Set<string>();
  for (const name of kept) {
    needed.add(recordName(name)).add(verifiedName(name));
    const { files } = await repository.readRecord(name);
    for (const { chunks } of Object.values(files)) {
      for (const id of chunks) needed.add(chunkName(id));
    }
  }
  let deletions = 0;
  // A record goes before its chunks.
  for (const folder of ["backups/", "verified/", "chunks/"]) {
    for (const name of await place.list(folder)) {
      if (needed.has(name) || isForeign(name.slice(folder.length), folder)) continue;
      if (deletions % CHECK_EVERY === 0) await requireLock();
      await place.remove(name);
      deletions += 1;
    }
    // A power failure must not bring a record back whose chunks are gone.
    if (folder === "backups/" && deletions > 0) await place.flush();
  }
  return backups.flatMap(({ name }) => (kept.has(name) ? [] : [name]));
}
