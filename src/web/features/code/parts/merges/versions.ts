import type { FileVersion } from "#shared/api/code/merges.js";

/** Two versions of the same file; null if a side has none. */
export interface VersionPair {
  target: FileVersion | null;
  source: FileVersion | null;
}

/**
 * Pairs the files of a conflict's sides: first by path; a single remaining file on each side counts as
 * renamed.
 */
export function pairVersions(
  target: readonly FileVersion[],
  source: readonly FileVersion[],
): VersionPair[] {
  const pairs: VersionPair[] = [];
  const left = [...source];
  const alone: FileVersion[] = [];
  for (const version of target) {
    const at = left.findIndex(({ path }) => path === version.path);
    if (at === -1) alone.push(version);
    else pairs.push({ target: version, source: left.splice(at, 1)[0] ?? null });
  }
  const [onTarget] = alone;
  const [onSource] = left;
  if (alone.length === 1 && left.length === 1 && onTarget && onSource) {
    return [...pairs, { target: onTarget, source: onSource }];
  }
  return [
    ...pairs,
    ...alone.map((version) => ({ target: version, source: null })),
    ...left.map((version) => ({ target: null, source: version })),
  ];
}

/** Whether a version can be replaced by text. */
export function isEditable({ mode, text }: FileVersion): boolean {
  return text !== null && mode.startsWith("100");
}

/** Returns the most frequent line ending. */
export function lineEndOf(text: string): "\r\n" | "\n" {
  const all = text.split("\n").length - 1;
  const withReturn = text.split("\r\n").length - 1;
  return withReturn > all / 2 ? "\r\n" : "\n";
}

/** Converts the LF line endings of a text field to those of the file. */
export function withLineEnds(typed: string, end: "\r\n" | "\n"): string {
  return end === "\n" ? typed : typed.replaceAll("\n", "\r\n");
}
