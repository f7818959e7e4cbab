/** A hunk of a unified patch. */
export interface Hunk {
  /** First line of each side; of a side without lines, the line before. */
  oldStart: number;
  newStart: number;
  /** What git wrote after the second `@@`: the function or heading around. */
  heading: string;
  /** The lines with their signs. */
  lines: readonly string[];
}

export interface Patch {
  /** The lines before the first hunk. */
  header: readonly string[];
  hunks: readonly Hunk[];
}

/** A line of a hunk with its number on each side. */
export interface PatchLine {
  kind: "context" | "added" | "removed";
  /** Null for an added line. */
  oldLine: number | null;
  /** Null for a removed line. */
  newLine: number | null;
  /** Without its sign. */
  text: string;
}

const headPattern = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@(.*)$/;

export function parsePatch(patch: string): Patch {
  const lines = patch.replace(/\n$/, "").split("\n");
  const first = lines.findIndex((line) => line.startsWith("@@ "));
  if (first === -1) return { header: lines, hunks: [] };
  const hunks: (Hunk & { lines: string[] })[] = [];
  for (const line of lines.slice(first)) {
    const head = headPattern.exec(line);
    if (head) {
      const [, oldStart, newStart, heading = ""] = head;
      hunks.push({ oldStart: Number(oldStart), newStart: Number(newStart), heading, lines: [] });
    } else hunks.at(-1)?.lines.push(line);
  }
  return { header: lines.slice(0, first), hunks };
}

const isAdded = (line: string): boolean => line.startsWith("+");
const isRemoved = (line: string): boolean => line.startsWith("-");
/** "\ No newline at end of file" */
const isRemark = (line: string): boolean => line.startsWith("\\");

/** Returns the number of lines of each side. */
export function sizeOf({ lines }: Pick<Hunk, "lines">): { oldLines: number; newLines: number } {
  let oldLines = 0;
  let newLines = 0;
  for (const line of lines) {
    if (isRemark(line)) continue;
    if (!isAdded(line)) oldLines += 1;
    if (!isRemoved(line)) newLines += 1;
  }
  return { oldLines, newLines };
}

/** Returns the first lines of a hunk as indexes of real lines, also where a side has none. */
function startsOf(hunk: Hunk): { oldLine: number; newLine: number } {
  const { oldLines, newLines } = sizeOf(hunk);
  return {
    oldLine: oldLines === 0 ? hunk.oldStart + 1 : hunk.oldStart,
    newLine: newLines === 0 ? hunk.newStart + 1 : hunk.newStart,
  };
}

/** Returns the first lines after a hunk. */
export function endsOf(hunk: Hunk): { oldLine: number; newLine: number } {
  const { oldLine, newLine } = startsOf(hunk);
  const { oldLines, newLines } = sizeOf(hunk);
  return { oldLine: oldLine + oldLines, newLine: newLine + newLines };
}

export function formatHunk(hunk: Hunk): string {
  const { oldLines, newLines } = sizeOf(hunk);
  const { oldStart, newStart, heading, lines } = hunk;
  return `@@ -${oldStart},${oldLines} +${newStart},${newLines} @@${heading}\n${lines.join("\n")}\n`;
}

/** Returns a patch of some hunks of a file. */
export function formatPatch({ header, hunks }: Patch): string {
  const head = header.length === 0 ? "" : `${header.join("\n")}\n`;
  return head + hunks.map(formatHunk).join("");
}

/** Returns the lines of a hunk with their numbers. */
export function numberedLines(hunk: Hunk): PatchLine[] {
  let { oldLine, newLine } = startsOf(hunk);
  const numbered: PatchLine[] = [];
  for (const line of hunk.lines) {
    if (isRemark(line)) continue;
    const text = line.slice(1);
    if (isAdded(line)) {
      numbered.push({ kind: "added", oldLine: null, newLine, text });
      newLine += 1;
    } else if (isRemoved(line)) {
      numbered.push({ kind: "removed", oldLine, newLine: null, text });
      oldLine += 1;
    } else {
      numbered.push({ kind: "context", oldLine, newLine, text });
      oldLine += 1;
      newLine += 1;
    }
  }
  return numbered;
}
