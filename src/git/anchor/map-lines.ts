/** Maps the lines of a text to the equal lines of a later one. */

/** Cells of the table that compares two ranges without lines of their own. */
const MAX_CELLS = 250_000;

interface Range {
  from: number;
  fromEnd: number;
  to: number;
  toEnd: number;
}

/**
 * Returns for each line of `before` the index of the same line in `after`, and -1 for a line that is gone. Indexes
 * ascend, and mapped lines are equal: by patience, where lines that occur once are found first.
 */
export function mapLines(before: readonly string[], after: readonly string[]): Int32Array {
  const map = new Int32Array(before.length).fill(-1);
  const numbers = new Map<string, number>();
  const numberOf = (line: string): number => {
    const known = numbers.get(line);
    if (known !== undefined) return known;
    numbers.set(line, numbers.size);
    return numbers.size - 1;
  };
  const old = Int32Array.from(before, numberOf);
  const now = Int32Array.from(after, numberOf);
  const ranges: Range[] = [{ from: 0, fromEnd: old.length, to: 0, toEnd: now.length }];
  for (let range = ranges.pop(); range !== undefined; range = ranges.pop()) {
    const inner = trimEqual(old, now, range, map);
    if (inner.from === inner.fromEnd || inner.to === inner.toEnd) continue;
    const anchors = uniqueLines(old, now, inner);
    if (anchors.length === 0) {
      mapBySubsequence(old, now, inner, map);
      continue;
    }
    let { from, to } = inner;
    for (const [line, place] of anchors) {
      map[line] = place;
      ranges.push({ from, fromEnd: line, to, toEnd: place });
      from = line + 1;
      to = place + 1;
    }
    ranges.push({ from, fromEnd: inner.fromEnd, to, toEnd: inner.toEnd });
  }
  return map;
}

/** Maps the equal lines at both ends of a range, and returns the rest. */
function trimEqual(old: Int32Array, now: Int32Array, range: Range, map: Int32Array): Range {
  let { from, fromEnd, to, toEnd } = range;
  while (from < fromEnd && to < toEnd && old[from] === now[to]) {
    map[from] = to;
    from += 1;
    to += 1;
  }
  while (from < fromEnd && to < toEnd && old[fromEnd - 1] === now[toEnd - 1]) {
    fromEnd -= 1;
    toEnd -= 1;
    map[fromEnd] = toEnd;
  }
  return { from, fromEnd, to, toEnd };
}

/** Returns lines that occur once on both sides, as the longest list with ascending places. */
function uniqueLines(
  old: Int32Array,
  now: Int32Array,
  { from, fromEnd, to, toEnd }: Range,
): (readonly [line: number, place: number])[] {
  // The place of a line, or -1 for one that occurs more than once.
  const places = new Map<number, number>();
  for (let at = to; at < toEnd; at += 1) {
    const line = now[at] as number;
    places.set(line, places.has(line) ? -1 : at);
  }
  const counts = new Map<number, number>();
  for (let at = from; at < fromEnd; at += 1) {
    const line = old[at] as number;
    counts.set(line, (counts.get(line) ?? 0) + 1);
  }
  const pairs: (readonly [number, number])[] = [];
  for (let at = from; at < fromEnd; at += 1) {
    const line = old[at] as number;
    const place = places.get(line) ?? -1;
    if (place !== -1 && counts.get(line) === 1) pairs.push([at, place]);
  }
  return longestAscending(pairs);
}

/** Returns the longest subsequence whose places ascend. */
function longestAscending(
  pairs: readonly (readonly [number, number])[],
): (readonly [number, number])[] {
  /** The index of the pair with the smallest place that ends a subsequence of each length. */
  const tails: number[] = [];
  const previous = new Int32Array(pairs.length).fill(-1);
  for (const [index, [, place]] of pairs.entries()) {
    let low = 0;
    let high = tails.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((pairs[tails[middle] as number] as readonly [number, number])[1] < place)
        low = middle + 1;
      else high = middle;
    }
    if (low > 0) previous[index] = tails[low - 1] as number;
    tails[low] = index;
  }
  const found: (readonly [number, number])[] = [];
  for (let at = tails.at(-1) ?? -1; at !== -1; at = previous[at] as number) {
    found.push(pairs[at] as readonly [number, number]);
  }
  return found.toReversed();
}

/** Maps a range by its longest common subsequence; a large one stays unmapped. */
function mapBySubsequence(
  old: Int32Array,
  now: Int32Array,
  { from, fromEnd, to, toEnd }: Range,
  map: Int32Array,
): void {
  const rows = fromEnd - from;
  const columns = toEnd - to;
  if (rows * columns > MAX_CELLS) return;
  const width = columns + 1;
  const lengths = new Uint32Array((rows + 1) * width);
  for (let row = rows - 1; row >= 0; row -= 1) {
    for (let column = columns - 1; column >= 0; column -= 1) {
      lengths[row * width + column] =
        old[from + row] === now[to + column]
          ? (lengths[(row + 1) * width + column + 1] as number) + 1
          : Math.max(
              lengths[(row + 1) * width + column] as number,
              lengths[row * width + column + 1] as number,
            );
    }
  }
  let row = 0;
  let column = 0;
  while (row < rows && column < columns) {
    if (old[from + row] === now[to + column]) {
      map[from + row] = to + column;
      row += 1;
      column += 1;
    } else if (
      (lengths[(row + 1) * width + column] as number) >=
      (lengths[row * width + column + 1] as number)
    ) {
      row += 1;
    } else column += 1;
  }
}
