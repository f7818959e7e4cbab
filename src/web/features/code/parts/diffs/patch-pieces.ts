import type { DiffMode } from "./diff-mode.js";
/**
 * Splits a patch into patches of at most about `limit` lines, each with the file's headers and correct line
 * numbers, so that only visible parts are rendered. Longer hunks are split; after `wanted` lines where that
 * separates no removed lines from those that replace them.
 */
export function piecesOf(patch: string, limit = 400, wanted = limit): string[] {
  const lines = patch.replace(/\n$/, "").split("\n");
  const first = lines.findIndex((line) => line.startsWith("@@ "));
  if (first === -1) return [];
  const header = lines.slice(0, first);
  const pieces: string[][] = [];
  let room = 0;
  for (const hunk of hunksOf(lines.slice(first), limit, wanted)) {
    if (hunk.length > room) {
      pieces.push([...header]);
      room = wanted + 1;
    }
    pieces.at(-1)?.push(...hunk);
    room -= hunk.length;
  }
  return pieces.map((piece) => `${piece.join("\n")}\n`);
}

const headPattern = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@(.*)$/;

/** Returns the hunks, each with its header and at most `limit` lines. */
function* hunksOf(lines: readonly string[], limit: number, wanted: number): Generator<string[]> {
  let body: string[] = [];
  /** Whether the change at the end of the body has removed lines. */
  let isReplacing = false;
  let [oldLine, newLine, context] = [1, 1, ""];
  const take = (): string[] => {
    const old = body.filter((line) => line.startsWith("-") || isContext(line)).length;
    const fresh = body.filter((line) => line.startsWith("+") || isContext(line)).length;
    const hunk = [`@@ -${oldLine},${old} +${newLine},${fresh} @@${context}`, ...body];
    [oldLine, newLine, context, body] = [oldLine + old, newLine + fresh, "", []];
    return hunk;
  };
  for (const line of lines) {
    const head = headPattern.exec(line);
    if (head !== null) {
      if (body.length > 0) yield take();
      [oldLine, newLine, context] = [Number(head[1]), Number(head[2]), head[3] ?? ""];
      isReplacing = false;
      continue;
    }
    // "\ No newline at end of file" belongs to the previous line.
    if (isContext(line)) isReplacing = false;
    else if (line.startsWith("-")) isReplacing = true;
    const isApart = !isReplacing && !line.startsWith("\\");
    const isFull = body.length >= limit && !line.startsWith("\\");
    if (isFull || (isApart && body.length >= wanted)) yield take();
    body.push(line);
  }
  if (body.length > 0) yield take();
}

function isContext(line: string): boolean {
  return !/^[-+\\]/.test(line);
}

/** Row heights of the viewer in pixels: a line of 12 pixels times 1.6, and a hunk header. */
const lineHeight = 19.2;
const hunkHeight = 28;

/**
 * Returns the rendered height of a piece in pixels; in split mode a change is as high as its longer
 * side.
 */
export function heightOf(piece: string, mode: DiffMode, isWithoutHeads = false): number {
  let height = 0;
  let removed = 0;
  let added = 0;
  const endChange = (): void => {
    height += (mode === "split" ? Math.max(removed, added) : removed + added) * lineHeight;
    removed = added = 0;
  };
  for (const line of piece.slice(piece.indexOf("@@ ")).split("\n")) {
    if (line.startsWith("-")) removed += 1;
    else if (line.startsWith("+")) added += 1;
    else if (!line.startsWith("\\")) {
      endChange();
      if (line.startsWith("@@ ")) height += isWithoutHeads ? 0 : hunkHeight;
      else if (line.startsWith(" ")) height += lineHeight;
    }
  }
  endChange();
  return height;
}

/** Returns about the height of a file whose lines are not read, in pixels, as one hunk. */
export function expectedHeight(
  { additions, deletions }: { additions: number | null; deletions: number | null },
  mode: DiffMode,
): number {
  const [added, deleted] = [additions ?? 0, deletions ?? 0];
  const changed = mode === "split" ? Math.max(added, deleted) : added + deleted;
  return Math.round(hunkHeight + (changed + 2 * contextLines) * lineHeight);
}

/** Unchanged lines around a change. */
const contextLines = 3;
