import type { Database } from "../../../../db/connection/connect.js";
import { CHECK_MS } from "../limits.js";
import type { Check } from "#shared/node/doctor-check.js";
import { readLastBackups } from "../doctor.queries.js";

/** Age from which an alert fires, too (deploy/prometheus/alerts.yaml). */
const OLD_HOURS = 36;

/** The last backup of each server, from the audit log of the installation. */
export function backups(db: Database): Check {
  return {
    name: "backups",
    tried: "Read the time of each server's last backup",
    cure: "Check the database.",
    limitMs: CHECK_MS,
    run: async () => {
      const all = await db.withSystem("read the last backups", readLastBackups);
      const old = all.filter(
        (backup) => backup.is_missing || backup.age_seconds > OLD_HOURS * 3600,
      );
      const shown = (old.length > 0 ? old : all).map(({ name, is_missing, age_seconds }) =>
        is_missing
          ? `${name} has none`
          : `that of ${name} is ${Math.floor(age_seconds / 3600)} hours old`,
      );
      if (old.length === 0) return { status: "ok", seen: shown.join(", ") };
      return {
        status: "warning",
        seen: shown.join(", "),
        cure: "Run omoi admin backup FOLDER every day on each server (docs/how-to/backup.md), unless you back up by other means.",
      };
    },
  };
}
