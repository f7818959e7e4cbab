/** Layout of a commit graph: columns of the commits and of the lines between them. */

interface Node {
  sha: string;
  parents: readonly string[];
}

/** One commit's row. Lines connect its upper edge, its dot in the middle and its lower edge. */
export interface GraphRow {
  /** The column of its dot, from 0. */
  lane: number;
  /** Columns of lines from above that end at the dot. */
  into: readonly number[];
  /** Columns of lines from the dot down to its parents. */
  out: readonly number[];
  /** Columns of lines that pass the row. */
  passing: readonly number[];
}

export interface GraphLayout {
  rows: readonly GraphRow[];
  /** Number of columns. */
  width: number;
}

/**
 * Lays out a history with children before their parents. Each first-parent line keeps its column down
 * to its fork point; the line of the commit `trunk` has the first column to itself.
 */
export function layoutGraph(commits: readonly Node[], trunk: string | undefined): GraphLayout {
  /** The next commit of each column; null if the column is free. */
  const lanes: (string | null)[] = [trunk ?? null];
  const firstFree = (): number => {
    const free = lanes.indexOf(null, 1);
    return free === -1 ? Math.max(lanes.length, 1) : free;
  };
  let width = 1;
  let hasTrunkBegun = false;
  const rows = commits.map(({ sha, parents }): GraphRow => {
    const into = lanes.flatMap((expected, lane) => (expected === sha ? [lane] : []));
    // The trunk's column stays empty above its first commit.
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
