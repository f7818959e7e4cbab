/** Where the commits of a graph and the lines between them are drawn. */

interface Node {
  sha: string;
  parents: readonly string[];
}

/** One commit's row: lines go between its upper edge, its dot in the middle and its lower edge. */
export interface GraphRow {
  /** The column of its dot; the first is 0. */
  lane: number;
  /** Lines that come from above to the dot. */
  into: readonly number[];
  /** Lines from the dot to below, to its parents. */
  out: readonly number[];
  /** Lines of others, which pass. */
  passing: readonly number[];
}

export interface GraphLayout {
  rows: readonly GraphRow[];
  /** How many columns there are. */
  width: number;
}

/**
 * Lays a history out, children before their parents: each line of first parents keeps its column down
 * to where it parted from another; `trunk` is the commit whose line has the first column to itself.
 */
export function layOut(commits: readonly Node[], trunk: string | undefined): GraphLayout {
  /** What each column leads to; null where it is free. */
  const lanes: (string | null)[] = [trunk ?? null];
  const firstFree = (): number => {
    const free = lanes.indexOf(null, 1);
    return free === -1 ? Math.max(lanes.length, 1) : free;
  };
  let width = 1;
  let hasTrunkBegun = false;
  const rows = commits.map(({ sha, parents }): GraphRow => {
    const into = lanes.flatMap((expected, lane) => (expected === sha ? [lane] : []));
    // The trunk's column waits for its first commit; above that no line is in it.
    const isTrunkTip = sha === trunk && !hasTrunkBegun;
    const passing = lanes.flatMap((expected, lane) =>
      expected === null || expected === sha || (lane === 0 && !hasTrunkBegun) ? [] : [lane],
    );
    if (isTrunkTip) hasTrunkBegun = true;
    const lane = into[0] ?? firstFree();
    for (const ended of into) lanes[ended] = null;
    const out = parents.map((parent, index) => {
      const known = lanes.indexOf(parent, hasTrunkBegun ? 0 : 1);
      if (index > 0 && known !== -1) return known;
      const at = index === 0 ? lane : firstFree();
      lanes[at] = parent;
      return at;
    });
    width = Math.max(width, lane + 1, ...out.map((at) => at + 1));
    return { lane, into: isTrunkTip ? into.filter((at) => at !== 0) : into, out, passing };
  });
  return { rows, width };
}
