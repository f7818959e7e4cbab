import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { MergeDriver } from "#shared/code/merge-drivers.js";
import { subscribe } from "#shared/node/measurements.js";
import {
  commitFiles,
  readFiles,
  testRepository,
  type Files,
} from "#test/support/git/test-repository.js";
import { applyDecisions, computeMerge, currentDrivers } from "../merge.js";
import { listTree } from "../../objects/tree-reader.js";
import { DataBusyError, DataMerges } from "./data/data-merges.js";
import { DataProcesses } from "./data/data-processes.js";

let repoPath = "";
let dispose = async (): Promise<void> => undefined;

beforeAll(async () => {
  ({ repoPath, dispose } = await testRepository());
});
const processes = new DataProcesses();
afterAll(async () => {
  processes.stop();
  await dispose();
});
/** The data merges of one operation. */
const options = () => ({ data: new DataMerges(processes, "organization") });

const DRIVERS: MergeDriver[] = [
  { pattern: "**/*.json", driver: "json" },
  { pattern: "**/go.sum", driver: "union" },
];

/** JSON with far apart keys, so that git merges changes of both. */
const json = (a: number, z: number, more = ""): string =>
  `{\n  "a": ${a},\n  "b": 1,\n  "c": 1,\n  "d": 1,\n  "e": 1,${more}\n  "z": ${z}\n}\n`;

async function three(base: Files, target: Files, source: Files, drivers = DRIVERS) {
  const root = await commitFiles(repoPath, [], base);
  const [one, other] = [
    await commitFiles(repoPath, [root], target),
    await commitFiles(repoPath, [root], source),
  ];
  return computeMerge(repoPath, one, other, null, currentDrivers(drivers), options());
}

const results = ({ driverFiles }: { driverFiles: { path: string; result: string }[] }) =>
  driverFiles.map(({ path, result }) => [path, result]);

describe("drivers apply to files that both sides changed", () => {
  it("and no others", async () => {
    const merge = await three(
      { "a.json": json(1, 1), "b.json": json(1, 1), "c.json": json(1, 1), "d.txt": "1\n2\n3\n4\n" },
      { "a.json": json(2, 1), "b.json": json(1, 1), "c.json": json(3, 1), "d.txt": "T\n2\n3\n4\n" },
      { "a.json": json(1, 1), "b.json": json(2, 1), "c.json": json(3, 1), "d.txt": "1\n2\n3\nS\n" },
    );
    expect(merge).toMatchObject({ conflicts: [], driverFiles: [] });
  });

  it.each(["target", "source"] as const)("and that the %s renamed", async (side) => {
    const renamed = { "new/a.json": json(2, 1) };
    const changed = { "old/a.json": json(1, 2) };
    const [target, source] = side === "target" ? [renamed, changed] : [changed, renamed];
    const merge = await three({ "old/a.json": json(1, 1) }, target, source);
    expect(results(merge)).toEqual([["new/a.json", "merged"]]);
    expect(merge.conflicts).toEqual([]);
    expect(await readFiles(repoPath, merge.tree)).toEqual({ "new/a.json": json(2, 2) });
  });

  it.each(["target", "source"] as const)(
    "and that the %s renamed, with a conflict of the data",
    async (side) => {
      const renamed: Files = { "new/a.json": json(2, 1) };
      const changed: Files = { "old/a.json": json(3, 1) };
      const [target, source] = side === "target" ? [renamed, changed] : [changed, renamed];
      const merge = await three({ "old/a.json": json(1, 1) }, target, source);
      expect(results(merge)).toEqual([["new/a.json", "conflict"]]);
      expect(merge.conflicts.map(({ paths }) => paths)).toEqual([["new/a.json", "old/a.json"]]);
      for (const take of ["target", "source"] as const) {
        const labels = { target: "t", source: "s" };
        const { tree } = await applyDecisions(repoPath, merge, [{ take }], labels);
        expect(await readFiles(repoPath, tree)).toEqual({
          "new/a.json": take === side ? renamed["new/a.json"] : changed["old/a.json"],
        });
      }
    },
  );

  it("where git merges the lines of a renamed file, but its data conflict", async () => {
    const target = { "new/a.json": json(1, 1).replace('"a": 1,', '"a": 1,\n  "n": 1,') };
    const source = { "old/a.json": json(1, 1, '\n  "n": 2,') };
    const merge = await three({ "old/a.json": json(1, 1) }, target, source);
    expect(results(merge)).toEqual([["new/a.json", "conflict"]]);
    expect(merge.conflicts).toMatchObject([
      { kind: "modify/modify", reason: 'json: both sides changed "n".' },
    ]);
    for (const [take, text] of [
      ["target", target["new/a.json"]],
      ["source", source["old/a.json"]],
    ] as const) {
      const labels = { target: "t", source: "s" };
      const { tree } = await applyDecisions(repoPath, merge, [{ take }], labels);
      expect(await readFiles(repoPath, tree)).toEqual({ "new/a.json": text });
    }
  });

  it("also if both added them, or one made them executable", async () => {
    const merge = await three(
      { "x.json": json(1, 1) },
      { "x.json": { mode: "100755", data: json(2, 1) }, "new.json": '{"a": 1}\n' },
      { "x.json": json(1, 2), "new.json": '{"b": 1}\n' },
    );
    expect(results(merge)).toEqual([
      ["new.json", "merged"],
      ["x.json", "merged"],
    ]);
    expect(await readFiles(repoPath, merge.tree)).toMatchObject({
      "new.json": '{"a": 1, "b": 1}\n',
    });
    expect((await listTree(repoPath, merge.tree)).get("x.json")?.mode).toBe("100755");
  });

  it("but not to links, deleted files and files of a larger conflict", async () => {
    const link = (data: string) => ({ mode: "120000", data }) as const;
    const base = { "l.json": link("a"), "d.json": "[]\n", "m.json": json(1, 1) };
    const merge = await three(
      base,
      { "l.json": link("b"), "d.json": "[1]\n", "m1.json": json(2, 1) },
      { "l.json": link("c"), "m2.json": json(1, 2) },
    );
    expect(merge.driverFiles).toEqual([]);
    expect(merge.conflicts.map(({ kind }) => kind).sort()).toEqual([
      "modify/delete",
      "rename/rename",
      "symbolic_link",
    ]);
  });

  it("but to the lines of binary files and of ambiguous merge bases", async () => {
    const binary = await three({ "go.sum": "a\0\n" }, { "go.sum": "b\0\n" }, { "go.sum": "c\0\n" });
    expect(binary.driverFiles.map(({ reason }) => reason)).toEqual(["It is a binary file."]);
    expect(binary.conflicts.map(({ kind }) => kind)).toEqual(["binary"]);

    // Two branches merge each other's first commit, with different results.
    const root = await commitFiles(repoPath, [], { "a.json": json(1, 1) });
    const one = await commitFiles(repoPath, [root], { "a.json": json(2, 1) });
    const other = await commitFiles(repoPath, [root], { "a.json": json(1, 2) });
    const left = await commitFiles(repoPath, [one, other], { "a.json": json(3, 2) });
    const right = await commitFiles(repoPath, [other, one], { "a.json": json(2, 3) });
    const merge = await computeMerge(
      repoPath,
      left,
      right,
      null,
      currentDrivers(DRIVERS),
      options(),
    );
    expect(merge.bases).toHaveLength(2);
    expect(merge.driverFiles.map(({ reason }) => reason)).toEqual([
      "The merge bases have different versions of it.",
    ]);
    expect(await readFiles(repoPath, merge.tree)).toEqual({ "a.json": json(3, 3) });
  });
});

it("a merge without drivers runs no further command", async () => {
  const count = async (drivers: MergeDriver[]): Promise<number> => {
    let commands = 0;
    const stop = subscribe("gitCommand", () => (commands += 1));
    const root = await commitFiles(repoPath, [], { "a.json": json(1, 1) });
    const one = await commitFiles(repoPath, [root], { "a.json": json(2, 1) });
    const other = await commitFiles(repoPath, [root], { "a.json": json(1, 2) });
    commands = 0;
    await computeMerge(repoPath, one, other, null, currentDrivers(drivers), options());
    stop();
    return commands;
  };
  // merge-tree
  expect(await count([])).toBe(1);
});

it("files that exceed the limits are recorded, so that a repetition gives the same", async () => {
  const root = await commitFiles(repoPath, [], { "a.json": json(1, 1) });
  const one = await commitFiles(repoPath, [root], { "a.json": json(2, 1) });
  const other = await commitFiles(repoPath, [root], { "a.json": json(1, 2) });
  const drivers = { ...currentDrivers(DRIVERS), lines: ["a.json"] };
  const merge = await computeMerge(repoPath, one, other, null, drivers, options());
  expect(merge.driverFiles).toEqual([
    {
      path: "a.json",
      driver: "json",
      result: "lines",
      reason: "Merging its data takes too much time or memory.",
    },
  ]);
  expect(merge.drivers).toEqual(drivers);
});

it("a merge that must not wait begins again with the results of its turn", async () => {
  const root = await commitFiles(repoPath, [], { "a.json": json(1, 1), "b.json": json(1, 1) });
  const one = await commitFiles(repoPath, [root], { "a.json": json(2, 1), "b.json": json(2, 1) });
  const other = await commitFiles(repoPath, [root], { "a.json": json(1, 2), "b.json": json(1, 2) });
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const versions = {
    name: "x.json",
    base: null,
    target: Buffer.from("1"),
    source: Buffer.from("1"),
  };
  const held = new DataMerges(processes, "busy").merge(
    { bytes: 1, read: () => opened.then(() => versions) },
    true,
  );
  const data = new DataMerges(processes, "busy", { waits: false });
  const compute = () => computeMerge(repoPath, one, other, null, currentDrivers(DRIVERS), { data });
  const busy = await compute().catch((error: unknown) => error);
  expect(busy).toBeInstanceOf(DataBusyError);
  const waiting = (busy as DataBusyError).awaitResults();
  open();
  await Promise.all([held, waiting]);
  expect(data.results.size).toBe(2);
  expect(results(await compute())).toEqual([
    ["a.json", "merged"],
    ["b.json", "merged"],
  ]);
});
