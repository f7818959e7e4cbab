import type { FileVersion } from "#shared/api/merges.js";

/** Two versions of what is one file, to be compared; null where a side has none. */
export interface VersionPair {
  target: FileVersion | null;
  source: FileVersion | null;
}

/**
 * The files of a conflict's two sides, side by side: first those of the same path; a single one left on
 * each side is the same file under two names.
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
  const [one] = alone;
  const [other] = left;
  if (alone.length === 1 && left.length === 1 && one && other) {
    return [...pairs, { target: one, source: other }];
  }
  return [
    ...pairs,
    ...alone.map((version) => ({ target: version, source: null })),
    ...left.map((version) => ({ target: null, source: version })),
  ];
}

/** Whether a text can take a version's place. */
export function isEditable({ mode, text }: FileVersion): boolean {
  return text !== null && mode.startsWith("100");
}

/** How lines end: as most of them do. */
export function lineEndOf(text: string): "\r\n" | "\n" {
  const all = text.split("\n").length - 1;
  const withReturn = text.split("\r\n").length - 1;
  return withReturn > all / 2 ? "\r\n" : "\n";
}

/** As a field of text gives it, which knows LF alone, with the ends that the file has. */
export function withLineEnds(typed: string, end: "\r\n" | "\n"): string {
  return end === "\n" ? typed : typed.replaceAll("\n", "\r\n");
}
