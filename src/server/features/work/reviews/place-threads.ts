/** The places of threads in the newest commits. */
import type { Place, Side } from "#shared/api/work/reviews.js";
import { anchorRanges, type FoundRange, type LineRange } from "#git/anchor/anchor-ranges.js";
import type { Change } from "./reviewed-attempt.js";

/** Where something was written. */
export interface Written {
  path: string;
  side: Side;
  line: number | null;
  start_line: number | null;
  /** The commit with the lines: for the old side, the base of the change then. */
  commit_sha: string;
  text: string | null;
}

/** Places by what determines them: a place in a commit never changes. */
const known = new Map<string, FoundRange | null>();
const MAX_KNOWN = 50_000;

/** Returns the place of each in the newest commit of its side; null for one that is outdated. */
export async function placesOf(
  { repoPath, head, base }: Change,
  written: readonly Written[],
): Promise<(Place | null)[]> {
  const places = written.map((): Place | null => null);
  for (const side of ["old", "new"] as const) {
    const commit = side === "new" ? head : base;
    const own = [...written.entries()].filter(([, one]) => one.side === side);
    const unknown = own.filter(([, one]) => !known.has(keyOf(one, commit)));
    const found = await anchorRanges(
      repoPath,
      unknown.map(([, one]) => rangeOf(one)),
      commit,
    );
    for (const [index, [, one]] of unknown.entries()) {
      known.set(keyOf(one, commit), found[index] ?? null);
    }
    for (const [index, one] of own) {
      const place = known.get(keyOf(one, commit));
      if (place) {
        const { path, line, startLine: start_line } = place;
        places[index] = { path, side, line, start_line };
      }
    }
  }
  for (const key of known.keys()) {
    if (known.size <= MAX_KNOWN) break;
    known.delete(key);
  }
  return places;
}

const keyOf = ({ commit_sha, path, start_line, line }: Written, commit: string): string =>
  `${commit_sha} ${commit} ${start_line ?? ""} ${line ?? ""} ${path}`;

const rangeOf = ({ commit_sha, path, start_line, line, text }: Written): LineRange => ({
  commit: commit_sha,
  path,
  startLine: start_line,
  line,
  text,
});
