import type { ReactElement } from "react";

const day = new Intl.DateTimeFormat("en-US", { month: "short", day: "numeric", year: "numeric" });
const clock = new Intl.DateTimeFormat("en-US", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

/** "Oct 30, 2025 12:30" in the viewer's zone; the full RFC 3339 time on hovering. */
export function Time({ value, dateOnly = false }: { value: string; dateOnly?: boolean }): ReactElement {
  const date = new Date(value);
  return (
    <time dateTime={value} title={value} className="whitespace-nowrap">
      {dateOnly ? day.format(date) : `${day.format(date)} ${clock.format(date)}`}
    </time>
  );
}
