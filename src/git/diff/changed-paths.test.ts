import { afterAll, beforeAll, expect, test } from "vitest";
import {
  changedPaths,
  conflictInvolves,
  mayConflict,
  cachedChangedPaths,
} from "./changed-paths.js";
import { computeMerge } from "../merge/merge.js";
import { commitFiles, testRepository, type Files } from "#test/support/git/test-repository.js";

let repoPath = "";
let dispose = async (): Promise<void> => undefined;
beforeAll(async () => {
  ({ repoPath, dispose } = await testRepository());
});
afterAll(() => dispose());

const text = (name: string): string =>
  Array.from({ length: 12 }, (_, at) => `${name} ${at}\n`).join("");
const start: Files = Object.fromEntries(["a", "b", "d/x", "d/y", "e/z"].map((n) => [n, text(n)]));
const without = (...names: string[]): Files =>
  Object.fromEntries(Object.entries(start).filter(([name]) => !names.includes(name)));

/** Changes of two branches from one base, and the result of their merge in git. */
async function compare(a: Files, b: Files) {
  const base = await commitFiles(repoPath, [], start);
  const [left, right] = [
    await commitFiles(repoPath, [base], a),
    await commitFiles(repoPath, [base], b),
  ];
  const works = [
    await changedPaths(repoPath, base, left),
    await changedPaths(repoPath, base, right),
  ];
  const may = mayConflict(works[0] ?? null, works[1] ?? null);
  expect(mayConflict(works[1] ?? null, works[0] ?? null)).toBe(may);
  return { may, conflicts: (await computeMerge(repoPath, left, right)).conflicts, works };
}

test("edits of different files do not conflict, even in one folder", async () => {
  const { may, conflicts } = await compare(
    { ...start, a: "one\n", "d/x": "one\n", "d/new": "new\n" },
    { ...start, b: "other\n", "d/y": "other\n", "d/newer": "newer\n" },
  );
  expect([may, conflicts]).toEqual([false, []]);
});

test.each<[string, Files, Files]>([
  ["the same file", { ...start, a: "one\n" }, { ...start, a: "other\n" }],
  ["a deleted file", without("a"), { ...start, a: `${text("a")}more\n` }],
  ["a renamed file", { ...without("a"), c: text("a") }, { ...start, a: `${text("a")}more\n` }],
  ["one name added by both sides", { ...start, n: "one\n" }, { ...start, n: "other\n" }],
  [
    "a file on one side, a folder on the other",
    { ...start, n: "file\n" },
    { ...start, "n/in": "in\n" },
  ],
  [
    "a file added at a path that a folder rename on the other side takes",
    { ...without("d/x", "d/y"), "m/x": text("d/x"), "m/y": text("d/y"), "m/new": "one\n" },
    { ...start, "d/new": "other\n" },
  ],
])("%s may conflict", async (_what, a, b) => {
  const { may, conflicts, works } = await compare(a, b);
  expect(may).toBe(true);
  for (const { paths } of conflicts) {
    expect(works.map((work) => conflictInvolves(work, paths))).toEqual([true, true]);
  }
});

test("too many changes may conflict with anything", async () => {
  const many = Object.fromEntries(Array.from({ length: 5100 }, (_, at) => [`many/${at}`, "x\n"]));
  const { may, works } = await compare({ ...start, ...many }, { ...start, b: "other\n" });
  expect(works[0]).toBeNull();
  expect(may).toBe(true);
});

test("keeps results in memory up to its limit", async () => {
  const base = await commitFiles(repoPath, [], start);
  const one = await commitFiles(repoPath, [base], { ...start, a: "one\n" });
  const other = await commitFiles(repoPath, [base], { ...start, b: "other\n" });
  const roomy = cachedChangedPaths(100);
  expect(await roomy(repoPath, base, one)).toBe(await roomy(repoPath, base, one));
  const narrow = cachedChangedPaths(3);
  const first = await narrow(repoPath, base, one);
  await narrow(repoPath, base, other);
  const again = await narrow(repoPath, base, one);
  expect(again).toEqual(first);
  expect(again).not.toBe(first);
});
