import type { ReactElement } from "react";

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
