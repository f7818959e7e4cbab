import type { ChangedFile } from "#shared/api/work/reviews.js";
import {
  endsOf,
  numberedLines,
  type Patch,
  parsePatch,
  sizeOf,
} from "../../../../code/parts/diffs/patches/hunks.js";

const parsed = new WeakMap<ChangedFile, Patch>();

/** Returns the patch of a file; it is read once. */
export function patchOf(file: ChangedFile): Patch {
  const known = parsed.get(file);
  if (known) return known;
  const patch = parsePatch(file.patch ?? "");
  parsed.set(file, patch);
  return patch;
}

/** Returns the text of lines of the new side of a patch; null if one of them is not in it. */
export function newLinesOf(file: ChangedFile, from: number, to: number): string | null {
  const texts = new Map(
    patchOf(file)
      .hunks.flatMap(numberedLines)
      .flatMap(({ newLine, text }) => (newLine === null ? [] : [[newLine, text] as const])),
  );
  const lines = Array.from({ length: to - from + 1 }, (_, index) => texts.get(from + index));
  return lines.every((line) => line !== undefined) ? lines.join("\n") : null;
}

/**
 * Returns the lines of the old side, of which there may be no commit: a review is compared with on the base of now.
 * @param fresh all lines of the new side
 * @returns null if the patch is cut
 */
export function oldLinesOf(file: ChangedFile, fresh: readonly string[]): string[] | null {
  if (file.truncated) return null;
  let at = 0;
  const parts = patchOf(file).hunks.map((hunk) => {
    const next = endsOf(hunk).newLine - 1;
    const unchanged = fresh.slice(at, next - sizeOf(hunk).newLines);
    at = next;
    const shown = numberedLines(hunk).filter(({ oldLine }) => oldLine !== null);
    return [...unchanged, ...shown.map(({ text }) => text)];
  });
  return [...parts.flat(), ...fresh.slice(at)];
}
