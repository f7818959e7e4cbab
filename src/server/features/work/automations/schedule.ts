import { Cron } from "croner";
import type { Schedule, Trigger } from "#shared/api/work/automation-parts.js";
import { AppError } from "../../../errors.js";

/** Times that pages and the API show. */
const SHOWN = 5;

/** croner accepts offsets and names such as `@daily`, which the fields of a schedule are not. */
const ZONE = /^(UTC|[A-Za-z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+){1,2})$/;
const FIELDS = /^[\dA-Za-z*,/#?-]+( +[\dA-Za-z*,/#?-]+){4}$/;

/** Returns why a schedule cannot be used, as the end of a sentence; null for one that is due some day. */
export function faultOf({
  cron,
  timezone,
}: Schedule): { field: keyof Schedule; text: string } | null {
  if (!ZONE.test(timezone) || !isZone(timezone)) {
    return { field: "timezone", text: "is no IANA time zone, such as Europe/Berlin or UTC" };
  }
  if (!FIELDS.test(cron)) {
    return {
      field: "cron",
      text: "needs five fields: minute, hour, day of the month, month, day of the week",
    };
  }
  try {
    if (nextOf({ type: "schedule", cron, timezone }, new Date()) === null) {
      return { field: "cron", text: "never occurs, such as 30 February; choose another day" };
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/^CronPattern: /, "") : "";
    return { field: "cron", text: `is not understood: ${reason}` };
  }
  return null;
}

function isZone(timezone: string): boolean {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: timezone }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}

/** Parsed expressions by zone: thousands of automations have a few. */
const parsed = new Map<string, Cron>();
const MAX_PARSED = 1000;

function parse({ cron, timezone }: Schedule): Cron {
  const key = `${timezone} ${cron}`;
  const known = parsed.get(key);
  if (known) return known;
  const made = new Cron(cron, { timezone, mode: "5-part", paused: true });
  if (parsed.size >= MAX_PARSED) parsed.clear();
  parsed.set(key, made);
  return made;
}

const nextOf = (schedule: Schedule, after: Date): Date | null => parse(schedule).nextRun(after);

const schedulesOf = (triggers: readonly Trigger[]): Schedule[] =>
  triggers.filter((trigger): trigger is Schedule => trigger.type === "schedule");

/** Refuses schedules that cannot be used. @param place of the triggers in the body @throws AppError 422 */
export function checkSchedules(triggers: readonly Trigger[], place: readonly string[]): void {
  triggers.forEach((trigger, index) => {
    const fault = trigger.type === "schedule" ? faultOf(trigger) : null;
    if (fault === null) return;
    throw new AppError("validation_failed", `${fault.field} ${fault.text}.`, {
      errors: [{ loc: [...place, index, fault.field], msg: fault.text, type: "invalid" }],
    });
  });
}

/** Returns the first time after another at which one of the triggers is due; null without a schedule. */
export function nextTime(triggers: readonly Trigger[], after: Date): Date | null {
  const times = schedulesOf(triggers).flatMap((schedule) => nextOf(schedule, after) ?? []);
  return times.toSorted((one, other) => one.getTime() - other.getTime())[0] ?? null;
}

/** Returns the next times of all triggers together. */
export function nextTimes(triggers: readonly Trigger[], after: Date, count = SHOWN): string[] {
  const times: string[] = [];
  for (let last = after; times.length < count;) {
    const next = nextTime(triggers, last);
    if (next === null) break;
    times.push(next.toISOString());
    last = next;
  }
  return times;
}

/** The zone in which the days of an automation begin. */
export const zoneOf = (triggers: readonly Trigger[]): string =>
  schedulesOf(triggers)[0]?.timezone ?? "UTC";
