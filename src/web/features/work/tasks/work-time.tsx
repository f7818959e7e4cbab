import type { ReactElement } from "react";
import { useNow } from "../../../hooks/use-now.js";
import { formatDuration } from "../../execution/parts/runs/format.js";

/** The time since a start, in steps of a second. */
export function Since({ start }: { start: string }): ReactElement {
  return <>{durationText(useNow() - Date.parse(start))}</>;
}

/** Returns a duration; seconds matter within the first minutes only. */
export function durationText(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  return formatDuration(seconds < 600 ? seconds : Math.round(seconds / 60) * 60);
}
