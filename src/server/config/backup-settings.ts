/** The types of the settings of scheduled backups. */
import { isAbsolute } from "node:path";
import { z } from "zod";
import { ConfigError } from "#shared/node/config-error.js";
import { parseBucketAddress } from "../object-storage/bucket-address.js";

/** The periods of which retention keeps the newest backup, from the shortest to the longest; all in UTC. */
export const keepPeriods = ["last", "hourly", "daily", "weekly", "monthly", "yearly"] as const;
export type KeepPeriod = (typeof keepPeriods)[number];

/** The number of periods whose newest backup is kept. */
export type Keep = Partial<Record<KeepPeriod, number>>;

/** Minutes since midnight (UTC) at which backups are due, sorted; at least one. */
export type Schedule = readonly number[];

const keepRequirement =
  'must list periods (last, hourly, daily, weekly, monthly, yearly) with numbers from 1 to 9999, separated by ",", such as daily=7,weekly=4,monthly=6';

export const backupKeep = z.string().transform((text, context): Keep => {
  const keep: Keep = {};
  for (const entry of text.split(",")) {
    const [, period, count] = /^([a-z]+)=([1-9]\d{0,3})$/.exec(entry.trim()) ?? [];
    const known = keepPeriods.find((name) => name === period);
    if (known === undefined || keep[known] !== undefined) {
      context.addIssue({ code: "custom", message: `${keepRequirement}, not "${text}"` });
      return z.NEVER;
    }
    keep[known] = Number(count);
  }
  return keep;
});

export const backupSchedule = z.string().transform((text, context): Schedule => {
  if (text === "hourly") return Array.from({ length: 24 }, (_, hour) => hour * 60);
  const minutes = text.split(",").map((entry) => {
    const [, hour, minute] = /^([01]\d|2[0-3]):([0-5]\d)$/.exec(entry.trim()) ?? [];
    return Number(hour) * 60 + Number(minute);
  });
  if (minutes.every(Number.isInteger)) return [...new Set(minutes)].toSorted((a, b) => a - b);
  const message = `must list times of the day in UTC, such as 02:30 or 02:30,14:30, or be hourly, not "${text}"`;
  context.addIssue({ code: "custom", message });
  return z.NEVER;
});

export const backupRepository = z.string().transform((text, context): string => {
  try {
    if (parseBucketAddress(text) !== null || isAbsolute(text)) return text;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
  }
  const message = `must be an absolute folder or s3://BUCKET/PREFIX, not "${text}"`;
  context.addIssue({ code: "custom", message });
  return z.NEVER;
});
