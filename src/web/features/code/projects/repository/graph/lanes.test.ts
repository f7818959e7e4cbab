import { expect, test } from "vitest";
import { layoutGraph } from "./lanes.js";

const node = (sha: string, ...parents: string[]) => ({ sha, parents });

test("a straight line stays in one column", () => {
  expect(layoutGraph([node("c", "b"), node("b", "a"), node("a")], "c")).toEqual({
    width: 1,
    rows: [
      { lane: 0, into: [], out: [0], passing: [] },
      { lane: 0, into: [0], out: [0], passing: [] },
      { lane: 0, into: [0], out: [], passing: [] },
    ],
  });
});

test("a branch has its own column from its fork point to its merge", () => {
  const commits = [node("m", "b", "x"), node("x", "a"), node("b", "a"), node("a")];
  expect(layoutGraph(commits, "m")).toEqual({
    width: 2,
    rows: [
      { lane: 0, into: [], out: [0, 1], passing: [] },
      { lane: 1, into: [1], out: [1], passing: [0] },
      { lane: 0, into: [0], out: [0], passing: [1] },
      { lane: 0, into: [0, 1], out: [], passing: [] },
    ],
  });
});

test("the trunk keeps the first column even if others are newer", () => {
  const commits = [node("w2", "w1"), node("w1", "t1"), node("t2", "t1"), node("t1")];
  const { rows } = layoutGraph(commits, "t2");
  expect(rows.map(({ lane }) => lane)).toEqual([1, 1, 0, 0]);
  expect(rows[0]?.passing).toEqual([]);
  expect(rows[2]).toEqual({ lane: 0, into: [], out: [0], passing: [1] });
  expect(rows[3]?.into).toEqual([0, 1]);
});

test("criss-cross merges have a line per parent, and each line ends at its commit", () => {
  const commits = [
    node("m", "a", "b"),
    node("n", "b", "a"),
    node("a", "root"),
    node("b", "root"),
    node("root"),
  ];
  const { rows } = layoutGraph(commits, "m");
  for (const [at, { sha, parents }] of commits.entries()) {
    const row = rows[at];
    expect(row?.out).toHaveLength(parents.length);
    // Followed down the rows, each line of the dot arrives at its parent.
    for (const [index, parent] of parents.entries()) {
      const lane = row?.out[index] as number;
      const arrives = commits.findIndex((commit) => commit.sha === parent);
      for (let below = at + 1; below < arrives; below += 1) {
        expect([sha, parent, rows[below]?.passing.includes(lane)]).toEqual([sha, parent, true]);
      }
      expect([sha, parent, rows[arrives]?.into.includes(lane)]).toEqual([sha, parent, true]);
    }
  }
});

test("two thousand commits on thirty branches need thirty-one columns", () => {
  const commits = Array.from({ length: 2000 }, (_, at) => {
    const branch = at % 31;
    const next = at + 31;
    return node(`${branch}-${at}`, ...(next < 2000 ? [`${branch}-${next}`] : []));
  });
  const { rows, width } = layoutGraph(commits, "0-0");
  expect(width).toBe(31);
  expect(rows).toHaveLength(2000);
});
