import {
  type Hunk,
  numberedLines,
  type PatchLine,
} from "../../../../code/parts/diffs/patches/hunks.js";
import type { LinePlace } from "./line-rows.js";

/**
 * Returns the first line of the next run of changed lines (`by` 1) or the previous one (-1); of the whole
 * file without `from`, and null if none follows.
 */
export function nextChange(
  hunks: readonly Hunk[],
  from: LinePlace | null,
  by: 1 | -1,
): LinePlace | null {
  // Two hunks never touch, so that a change never continues in the next one.
  const lines = hunks.flatMap((hunk) => [null, ...numberedLines(hunk)]);
  const isChanged = (line: PatchLine | null | undefined): boolean =>
    line != null && line.kind !== "context";
  const starts = lines.flatMap((line, at) =>
    line && isChanged(line) && !isChanged(lines[at - 1]) ? [{ line, at }] : [],
  );
  const start = from && orderOf(lines, from);
  const found =
    by === 1
      ? starts.find(({ at }) => start === null || at > start)
      : starts.findLast(({ at }) => start === null || at < start);
  if (!found) return null;
  const { oldLine, newLine } = found.line;
  return newLine === null ? { side: "old", line: oldLine ?? 0 } : { side: "new", line: newLine };
}

/** Returns the index of a line; for a line between hunks, half of one more than that before it. */
function orderOf(lines: readonly (PatchLine | null)[], { side, line }: LinePlace): number {
  const numberOf = (each: PatchLine | null): number | null =>
    each && (side === "old" ? each.oldLine : each.newLine);
  const exact = lines.findIndex((each) => numberOf(each) === line);
  if (exact !== -1) return exact;
  return lines.findLastIndex((each) => (numberOf(each) ?? line) < line) + 0.5;
}
