import { createHash } from "node:crypto";

/** A line by its numbers before and after a change; `type` is null if it is unchanged. */
export interface DiffLine {
  old: number;
  new: number;
  type: "old" | "new" | null;
}

/**
 * Finds a line in a diff of one file. Lines outside its hunks are unchanged. The number that a changed line lacks is that
 * of the next line there, as GitLab counts.
 */
export function findDiffLine(diff: string, side: "old" | "new", line: number): DiffLine {
  // The next lines.
  let oldAt = 1;
  let newAt = 1;
  const unchanged = (): DiffLine => {
    const distance = line - (side === "old" ? oldAt : newAt);
    return { old: oldAt + distance, new: newAt + distance, type: null };
  };
  for (const text of diff.split("\n")) {
    const hunk = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@/.exec(text);
    if (hunk) {
      const [oldStart, newStart] = [startOf(hunk[1], hunk[2]), startOf(hunk[3], hunk[4])];
      if (line < (side === "old" ? oldStart : newStart)) return unchanged();
      oldAt = oldStart;
      newAt = newStart;
      continue;
    }
    const [mark] = text;
    const isHere = line === (side === "old" ? oldAt : newAt);
    if (mark === "+") {
      if (isHere && side === "new") return { old: oldAt, new: newAt, type: "new" };
      newAt += 1;
    } else if (mark === "-") {
      if (isHere && side === "old") return { old: oldAt, new: newAt, type: "old" };
      oldAt += 1;
    } else if (mark === " ") {
      if (isHere) return { old: oldAt, new: newAt, type: null };
      oldAt += 1;
      newAt += 1;
    }
  }
  return unchanged();
}

/** Returns the first line of a hunk's side; one without lines names the line before. */
const startOf = (start = "1", count = "1"): number => Number(start) + (count === "0" ? 1 : 0);

/** Names a line as GitLab does at the ends of a range. */
export function lineCode(path: string, line: DiffLine): { lineCode: string; type: "old" | "new" } {
  const digest = createHash("sha1").update(path).digest("hex");
  return {
    lineCode: `${digest}_${line.old}_${line.new}`,
    type: line.type === "new" ? "new" : "old",
  };
}
