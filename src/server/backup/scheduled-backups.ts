/** The server's own backups, at the times of OMOI_BACKUP_SCHEDULE. */
import { setTimeout as pause } from "node:timers/promises";
import type { Logger } from "pino";
import { withInstallationAt, type Installation } from "../admin/installation.js";
import { identifyDataFolder } from "../cluster/data-folder-identity.js";
import type { Schedule } from "../config/backup-settings.js";
import type { Config } from "../config/config.js";
import type { ServerConfig } from "../db/hosts/database-client.js";
import { findClusterNode } from "../features/operation/nodes/index.js";
import { type BackupPlace, withPlace } from "./backup-place.js";
import { createBackup, ownerOf, pruneBackups, recordBackup } from "./repository/create-backup.js";
import { lockSchedule } from "./repository/repository-lock.js";
import { nodePart, openOwnRepository } from "./repository/repository.js";

/** Interval at which the clock is compared with the schedule. */
const CHECK_MS = 20_000;
/** Pause after a failed backup. */
const RETRY_MS = 10 * 60_000;
const DAY_MS = 86_400_000;

/** Returns the last time of the schedule that is not later than `now`. */
export function lastDue(schedule: Schedule, now: Date): Date {
  const midnight = Math.floor(now.getTime() / DAY_MS) * DAY_MS;
  const today = schedule.findLast((minute) => midnight + minute * 60_000 <= now.getTime());
  const yesterday = midnight - DAY_MS + (schedule.at(-1) ?? 0) * 60_000;
  return new Date(today === undefined ? yesterday : midnight + today * 60_000);
}

/**
 * Makes a backup of this server's node for each time of the schedule, at once for a time that passed meanwhile. The
 * complete backups in the repository tell which were made, so that a killed server leaves nothing to repair.
 * @param owner the address of the database as its owner
 */
export function startScheduledBackups(
  config: Config,
  owner: ServerConfig,
  log: Logger,
): { stop(): Promise<void> } {
  const { backups } = config;
  const stopping = new AbortController();
  const { signal } = stopping;
  const sleep = (ms: number): Promise<unknown> =>
    pause(ms, undefined, { signal, ref: false }).catch(() => undefined);
  if (backups?.schedule == null) return { stop: async () => {} };
  const { schedule } = backups;
  let done = new Date(0);
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      let wait = CHECK_MS;
      try {
        if (lastDue(schedule, new Date()) > done) {
          done = await runDueBackup(config, { ...backups, schedule }, owner, log, signal);
        }
      } catch (error) {
        if (!signal.aborted) {
          log.error({ err: error }, "the scheduled backup failed; it is tried again in 10 minutes");
        }
        wait = RETRY_MS;
      }
      await sleep(wait);
    }
  };
  const running = run();
  return {
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}

type Settings = NonNullable<Config["backups"]> & { schedule: Schedule };

/**
 * Makes the backup of the last time of the schedule, unless it was made, or another process of the node is at it.
 * @returns the time up to which all backups are made
 */
export function runDueBackup(
  config: Config,
  settings: Settings,
  owner: ServerConfig,
  log: Logger,
  signal: AbortSignal,
): Promise<Date> {
  return withInstallationAt(config, owner, "schedule", (installation) =>
    withPlace(settings.repository, config.objectStorage, (place) =>
      backUpIfDue(settings, installation, place, log, signal),
    ),
  );
}

async function backUpIfDue(
  settings: Settings,
  installation: Installation,
  place: BackupPlace,
  log: Logger,
  signal: AbortSignal,
): Promise<Date> {
  const { config, pool, db } = installation;
  const { id } = identifyDataFolder(config.dataDir);
  const lock = await lockSchedule(pool, id);
  // Another process of this node is at it.
  if (lock === null) return new Date(0);
  try {
    // By the clock that gives backups their times.
    const { rows } = await pool.query<{ now: number }>(
      "select (extract(epoch from clock_timestamp()) * 1000)::float8 as now",
    );
    const due = lastDue(settings.schedule, new Date(rows[0]?.now ?? Date.now()));
    const repository = await openOwnRepository(place, settings.key, await ownerOf(pool), false);
    const own = (await repository.list()).filter(({ node }) => node === nodePart(id));
    const newest = own.at(-1)?.createdAt;
    if (newest !== undefined && newest >= due) {
      // A server that was killed after the backup has not recorded it.
      const recorded = await pool.query(
        `select from installation_events where action = 'backup.created' and target ->> 'id' = $1
           and at >= $2 limit 1`,
        [id, newest.toISOString()],
      );
      const node = await db.transaction((tx) => findClusterNode(tx, { id }));
      if (recorded.rows.length === 0) await recordBackup(installation, node);
      return due;
    }
    const onProgress = (): void => {};
    const work = { installation, place, settings, takeOver: false, signal, onProgress };
    const { name, bytes, new_bytes } = await createBackup(work);
    log.info({ backup: name, bytes, new_bytes }, "made the scheduled backup");
    try {
      const deleted = await pruneBackups(work);
      if (deleted.length > 0) log.info({ deleted }, "deleted backups beyond OMOI_BACKUP_KEEP");
    } catch (error) {
      log.error({ err: error }, "cannot delete old backups; the next backup tries again");
    }
    return due;
  } finally {
    await lock.release();
  }
}
