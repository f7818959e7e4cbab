import { endsOf, type Hunk, numberedLines } from "./hunks.js";

/** Lines that are shown of the gap before a hunk: after the previous hunk, and before this one. */
export interface Shown {
  below: number;
  above: number;
}

/** Unchanged lines between two hunks that the patch leaves out. */
export interface Gap {
  /** Index of the hunk after the gap; the number of hunks for the end of the file. */
  index: number;
  /** First line that is left out, on each side. */
  oldLine: number;
  newLine: number;
  /** Number of lines; null at the end of a file of unknown length. */
  lines: number | null;
}

/** Returns the gaps around the hunks of a file, in order; `length` is the number of its new lines. */
export function gapsOf(hunks: readonly Hunk[], length: number | null): Gap[] {
  const gaps: Gap[] = [];
  let [oldLine, newLine] = [1, 1];
  for (const [index, hunk] of hunks.entries()) {
    const first = numberedLines(hunk)[0];
    const ends = endsOf(hunk);
    // A hunk that begins with a removed line has its place on the old side only.
    const lines =
      first === undefined
        ? 0
        : first.newLine === null
          ? (first.oldLine ?? oldLine) - oldLine
          : first.newLine - newLine;
    gaps.push({ index, oldLine, newLine, lines: Math.max(lines, 0) });
    oldLine = ends.oldLine;
    newLine = ends.newLine;
  }
  const rest = length === null ? null : Math.max(length - newLine + 1, 0);
  gaps.push({ index: hunks.length, oldLine, newLine, lines: rest });
  return gaps;
}

/**
 * Returns the hunks with more of the unchanged lines around them. Hunks that meet become one.
 * @param content the lines of the new file
 * @param shown what is wanted of each gap, by its index
 */
export function widened(
  hunks: readonly Hunk[],
  content: readonly string[],
  shown: ReadonlyMap<number, Shown>,
): Hunk[] {
  const result: Hunk[] = [];
  for (const gap of gapsOf(hunks, content.length)) {
    const size = gap.lines ?? 0;
    const wanted = shown.get(gap.index) ?? { below: 0, above: 0 };
    const below = gap.index === 0 ? 0 : Math.min(wanted.below, size);
    const isWhole = size > 0 && wanted.below + wanted.above >= size;
    const hunk = hunks[gap.index];
    const before = result.at(-1);
    const linesFrom = (skipped: number, count: number): string[] =>
      content
        .slice(gap.newLine - 1 + skipped, gap.newLine - 1 + skipped + count)
        .map((line) => ` ${line}`);
    if (before && hunk && (isWhole || size === 0)) {
      const lines = [...before.lines, ...linesFrom(0, size), ...hunk.lines];
      result[result.length - 1] = { ...before, lines };
      continue;
    }
    if (before && below > 0) {
      const lines = [...before.lines, ...linesFrom(0, below)];
      result[result.length - 1] = { ...before, lines };
    }
    if (hunk === undefined) continue;
    const above = Math.min(wanted.above, size);
    const lines = [...linesFrom(size - above, above), ...hunk.lines];
    result.push(
      above === 0
        ? hunk
        : {
            ...hunk,
            oldStart: gap.oldLine + size - above,
            newStart: gap.newLine + size - above,
            heading: "",
            lines,
          },
    );
  }
  return result;
}
