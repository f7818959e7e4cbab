import type { ReactElement } from "react";
import { useNow } from "../../hooks/use-now.js";
import { Time } from "./time.js";

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

/** "now", "5 min ago", "3 h ago", "2 days ago"; undefined for longer. */
export function agoText(ms: number): string | undefined {
  if (ms < minute) return "now";
  if (ms < hour) return `${Math.floor(ms / minute)} min ago`;
  if (ms < day) return `${Math.floor(ms / hour)} h ago`;
  const days = Math.floor(ms / day);
  return days < 14 ? `${days} ${days === 1 ? "day" : "days"} ago` : undefined;
}

/** The time since an event; an old one is shown as a date. The tooltip has the RFC 3339 time. */
export function RelativeTime({ value }: { value: string }): ReactElement {
  const text = agoText(useNow() - Date.parse(value));
  if (text === undefined) return <Time value={value} dateOnly />;
  return (
    <time dateTime={value} title={value} className="whitespace-nowrap">
      {text}
    </time>
  );
}
