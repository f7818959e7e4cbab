import type { ReactElement } from "react";

const day = new Intl.DateTimeFormat("en-US", { month: "short", day: "numeric", year: "numeric" });
const seconds = new Intl.DateTimeFormat("en-US", {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});
const clock = new Intl.DateTimeFormat("en-US", {
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
});

interface TimeProps {
  value: string;
  dateOnly?: boolean;
  /** Where two times are compared. */
  withSeconds?: boolean;
}

/** "Oct 30, 2025 12:30" in the viewer's zone; the full RFC 3339 time on hovering. */
export function Time({ value, dateOnly = false, withSeconds = false }: TimeProps): ReactElement {
  const date = new Date(value);
  const time = (withSeconds ? seconds : clock).format(date);
  return (
    <time dateTime={value} title={value} className="sm:whitespace-nowrap">
      {dateOnly ? day.format(date) : `${day.format(date)} ${time}`}
    </time>
  );
}
