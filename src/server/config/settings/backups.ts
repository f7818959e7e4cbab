import { z } from "zod";
import { backupKeep, backupRepository, backupSchedule } from "../backup-settings.js";
import { group, setting, type Setting, type SettingGroup } from "../setting.js";

/** The backup repository and the server's own backups. */
export const backupSettings = {
  backups: group(
    {
      repository: setting({
        variable: "OMOI_BACKUP_REPOSITORY",
        type: backupRepository,
        default: null,
        documentation:
          "Folder outside of the data folder, or `s3://BUCKET/PREFIX`, for incremental backups. All servers of an installation may share it.",
      }),
      key: setting({
        variable: "OMOI_BACKUP_KEY",
        type: z.string().min(32, {
          error: "must be at least 32 characters; make one with: openssl rand -hex 32",
        }),
        default: null,
        shownDefault: "none: backups are not encrypted",
        requires: ["OMOI_BACKUP_REPOSITORY"],
        documentation:
          "Encrypts the backups in that place; at least 32 characters. Keep a copy elsewhere: without it they cannot be restored.",
      }),
      schedule: setting({
        variable: "OMOI_BACKUP_SCHEDULE",
        type: backupSchedule,
        default: null,
        shownDefault: "none: the server makes no backups",
        requires: ["OMOI_BACKUP_REPOSITORY"],
        documentation:
          "Times of the day (UTC) at which each server makes a backup, such as `02:30` or `02:30,14:30`, or `hourly`. A time that passed while the server was stopped is made up once.",
      }),
      keep: setting({
        variable: "OMOI_BACKUP_KEEP",
        type: backupKeep,
        default: "daily=7,weekly=4,monthly=6",
        documentation:
          "Backups of each server that are kept: the newest of that many hours, days, weeks, months and years (UTC) that have one, and the `last` ones. Others are deleted after the next backup.",
      }),
    },
    ({ repository, key, schedule, keep }) =>
      repository === null ? null : { repository, key, schedule, keep },
  ),
} satisfies Record<string, Setting<unknown> | SettingGroup<unknown>>;
