import type { ReactElement } from "react";
import { useNow } from "../../hooks/use-now.js";

const months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
const twoDigits = (value: number): string => String(value).padStart(2, "0");

/** "Oct 30, 2025", in the viewer's time zone. */
function dayOf(date: Date): string {
  return `${months[date.getMonth()]} ${date.getDate()}, ${date.getFullYear()}`;
}

function clockOf(date: Date, withSeconds: boolean): string {
  const parts = [date.getHours(), date.getMinutes(), ...(withSeconds ? [date.getSeconds()] : [])];
  return parts.map(twoDigits).join(":");
}

interface TimeProps {
  value: string;
  dateOnly?: boolean;
  /** For times that are compared. */
  withSeconds?: boolean;
  /** Within a sentence: allows a line break before the hour. */
  wraps?: boolean;
}

/** "Oct 30, 2025 12:30" in the viewer's time zone; the tooltip has the RFC 3339 time. */
export function Time({
  value,
  dateOnly = false,
  withSeconds = false,
  wraps = false,
}: TimeProps): ReactElement {
  const date = new Date(value);
  return (
    <time dateTime={value} title={value} className={wraps ? "" : "sm:whitespace-nowrap"}>
      {dateOnly ? dayOf(date) : `${dayOf(date)} ${clockOf(date, withSeconds)}`}
    </time>
  );
}

const minute = 60;
const hour = 60 * minute;
const day = 24 * hour;

/** "now", "5 min ago", "3 h ago", "2 d ago"; after a week the day. */
export function agoText(milliseconds: number, now: number): string {
  const seconds = (now - milliseconds) / 1000;
  if (seconds < minute) return "now";
  if (seconds < hour) return `${Math.floor(seconds / minute)} min ago`;
  if (seconds < day) return `${Math.floor(seconds / hour)} h ago`;
  if (seconds < 7 * day) return `${Math.floor(seconds / day)} d ago`;
  return dayOf(new Date(milliseconds));
}

/** How long ago a time is, kept fresh; the tooltip has the time. */
export function RelativeTime({ value }: { value: string }): ReactElement {
  const now = useNow();
  const date = new Date(value);
  return (
    <time
      dateTime={value}
      title={`${dayOf(date)} ${clockOf(date, true)}`}
      className="whitespace-nowrap tabular-nums"
    >
      {agoText(date.getTime(), now)}
    </time>
  );
}
