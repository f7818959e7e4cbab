import type { Database } from "../../../../db/connection/connect.js";
import { findPrivilege } from "../../../../db/connection/serving-role.js";
import { CHECK_MS } from "../limits.js";
import { capitalized, type Check } from "#shared/node/doctor-check.js";
import { findOpenTables, readDatabaseClock, countTroubledJobs } from "../doctor.queries.js";

const CURE =
  "Check that PostgreSQL runs, and OMOI_DATABASE_URL (docs/how-to/external-postgresql.md).";

/** The rights of the role that serves requests. */
export function databaseRights(db: Database): Check {
  return {
    name: "database-rights",
    tried: "Read the rights of the serving role, and the row-level security of all tables",
    cure: CURE,
    limitMs: CHECK_MS,
    run: async () => {
      const privilege = await findPrivilege(db.systemPool);
      if (privilege !== null) {
        const [seen = "", cure = ""] = privilege.split("; ", 2);
        return { status: "failed", seen, cure: `${capitalized(cure)}, and restart Omoi.` };
      }
      const open = await db.withSystem("find tables without row-level security", findOpenTables);
      if (open.length > 0) {
        return {
          status: "failed",
          seen: `row-level security is not forced for ${open.join(", ")}`,
          cure: open
            .map((t) => `alter table ${t} enable row level security, force row level security;`)
            .join(" "),
        };
      }
      return { status: "ok", seen: "the role owns nothing, and row-level security binds it" };
    },
  };
}

/** Whether this process hears of changes, which it proves itself every two seconds. */
export function databaseNotifications(db: Database): Check {
  return {
    name: "database-notifications",
    tried: "Send a notification through PostgreSQL, and wait for it",
    cure: CURE,
    limitMs: CHECK_MS,
    run: async () => {
      const { obstacle } = db.changes;
      if (obstacle === null) return { status: "ok", seen: "it arrives" };
      const [seen = "", cure] = obstacle.split("; ", 2);
      return { status: "failed", seen, cure: cure === undefined ? CURE : `${capitalized(cure)}.` };
    },
  };
}

/** Difference from which codes of authenticator apps and signed requests begin to fail; milliseconds. */
const WRONG_MS = 30_000;
/** Difference that a clock kept by NTP never has; milliseconds. */
const DRIFTING_MS = 2000;

/** The clock of this server against that of the database, to which all servers compare theirs. */
export function clock(db: Database): Check {
  return {
    name: "clock",
    tried: "Compare the clock with that of the database",
    cure: CURE,
    limitMs: CHECK_MS,
    run: async () => {
      const before = Date.now();
      const theirs = await db.withSystem("read the clock of the database", readDatabaseClock);
      const after = Date.now();
      // Within the time of the query, no difference can be told.
      const difference = Math.max(before - theirs, theirs - after, 0);
      const seen = `they differ by ${(difference / 1000).toFixed(1)} s`;
      if (difference < DRIFTING_MS) return { status: "ok", seen };
      return {
        status: difference < WRONG_MS ? "warning" : "failed",
        seen,
        cure: "Set both clocks by NTP: timedatectl set-ntp true",
      };
    },
  };
}

/** Background jobs that failed, or that no server takes. */
export function jobs(db: Database): Check {
  return {
    name: "jobs",
    tried: "Count background jobs that failed or wait for a quarter of an hour",
    cure: "Check the database.",
    limitMs: CHECK_MS,
    run: async () => {
      const { failed, late, queues } = await db.withSystem("count jobs", countTroubledJobs);
      if (failed + late === 0) return { status: "ok", seen: "none" };
      return {
        status: "warning",
        seen: `${failed} failed and ${late} wait, of ${queues.join(", ")}`,
        cure: "Look for these names in the log of the servers; failed jobs are forgotten after an hour.",
      };
    },
  };
}
