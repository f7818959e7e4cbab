import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { rounds } from "#test/support/thorough.js";
import { applyDecisions, computeMerge, UnrelatedHistoriesError, type Decision } from "./merge.js";
import { listTree } from "../objects/tree-reader.js";
import {
  commitFiles,
  readFiles,
  testRepository,
  type Entry,
  type Files,
} from "#test/support/git/test-repository.js";

let repoPath = "";
let dispose = async (): Promise<void> => undefined;

beforeAll(async () => {
  ({ repoPath, dispose } = await testRepository());
});
afterAll(() => dispose());

/** Twenty lines, some replaced. */
function lines(changes: Record<number, string> = {}, word = "line"): string {
  const text = Array.from({ length: 20 }, (_, at) => changes[at] ?? `${word} ${at}`);
  return `${text.join("\n")}\n`;
}
const executable = (data: string): Entry => ({ mode: "100755", data });
const link = (data: string): Entry => ({ mode: "120000", data });
const gitlink = (digit: string): Entry => ({ mode: "160000", data: digit.repeat(40) });
const LABELS = { source: "workspace-a", target: "main" };

async function three(base: Files, target: Files, source: Files) {
  const root = await commitFiles(repoPath, [], base);
  return computeMerge(
    repoPath,
    await commitFiles(repoPath, [root], target),
    await commitFiles(repoPath, [root], source),
  );
}

interface Case {
  name: string;
  base: Files;
  target: Files;
  source: Files;
  /** The expected conflict. */
  kind: string;
  paths: string[];
  /** The whole tree if one side wins; the `losers` of a side unless "kept". */
  targetWins: Record<string, string>;
  sourceWins: Record<string, string>;
  deletion?: "target" | "source";
}

const keep = { z: "z\n" };
const cases: Case[] = [
  {
    name: "both modify",
    base: { a: lines() },
    target: { a: lines({ 5: "T", 0: "clean of target" }) },
    source: { a: lines({ 5: "S", 19: "clean of source" }) },
    kind: "modify/modify",
    paths: ["a"],
    targetWins: { a: lines({ 5: "T", 0: "clean of target" }) },
    sourceWins: { a: lines({ 5: "S", 19: "clean of source" }) },
  },
  {
    name: "both modify, the target renames",
    base: { a: lines() },
    target: { "d/b": lines({ 5: "T" }) },
    source: { a: lines({ 5: "S" }) },
    kind: "modify/modify",
    paths: ["a", "d/b"],
    targetWins: { "d/b": lines({ 5: "T" }) },
    sourceWins: { "d/b": lines({ 5: "S" }) },
  },
  {
    name: "both modify, the source renames and makes it executable",
    base: { a: lines() },
    target: { a: lines({ 5: "T" }) },
    source: { b: executable(lines({ 5: "S" })) },
    kind: "modify/modify",
    paths: ["a", "b"],
    targetWins: { b: lines({ 5: "T" }) },
    sourceWins: { b: `x ${lines({ 5: "S" })}` },
  },
  {
    name: "target deletes, source modifies",
    base: { a: lines(), ...keep },
    target: keep,
    source: { a: lines({ 5: "S" }), ...keep },
    kind: "modify/delete",
    paths: ["a"],
    targetWins: keep,
    sourceWins: { a: lines({ 5: "S" }), ...keep },
    deletion: "target",
  },
  {
    name: "source deletes, target modifies",
    base: { a: lines(), ...keep },
    target: { a: lines({ 5: "T" }), ...keep },
    source: keep,
    kind: "modify/delete",
    paths: ["a"],
    targetWins: { a: lines({ 5: "T" }), ...keep },
    sourceWins: keep,
    deletion: "source",
  },
  {
    name: "both add",
    base: keep,
    target: { a: "T\n", ...keep },
    source: { a: "S\n", ...keep },
    kind: "add/add",
    paths: ["a"],
    targetWins: { a: "T\n", ...keep },
    sourceWins: { a: "S\n", ...keep },
  },
  {
    name: "one file renamed to two names, both edited: no conflict markers",
    base: { a: lines() },
    target: { b: lines({ 5: "T" }) },
    source: { c: lines({ 5: "S" }) },
    kind: "rename/rename",
    paths: ["a", "b", "c"],
    targetWins: { b: lines({ 5: "T" }) },
    sourceWins: { c: lines({ 5: "S" }) },
  },
  {
    name: "one file renamed to two names, one of them then moved with its folder",
    base: { "d/a": lines(), "e/1": lines({}, "one"), "e/2": lines({}, "two") },
    target: { "e/b": lines({ 5: "T" }), "e/1": lines({}, "one"), "e/2": lines({}, "two") },
    source: { c: lines({ 5: "S" }), "f/1": lines({}, "one"), "f/2": lines({}, "two") },
    kind: "rename/rename",
    paths: ["c", "d/a", "e/b", "f/b"],
    targetWins: { "f/b": lines({ 5: "T" }), "f/1": lines({}, "one"), "f/2": lines({}, "two") },
    sourceWins: { c: lines({ 5: "S" }), "f/1": lines({}, "one"), "f/2": lines({}, "two") },
  },
  {
    name: "two files renamed to one name, all edited: the winner's files only",
    base: { a: lines(), b: lines({}, "row") },
    target: { c: lines({ 3: "T" }), b: lines({ 7: "T" }, "row") },
    source: { a: lines({ 3: "S" }), c: lines({ 7: "S" }, "row") },
    kind: "rename/rename",
    paths: ["a", "b", "c"],
    targetWins: { c: lines({ 3: "T" }), b: lines({ 7: "T" }, "row") },
    sourceWins: { a: lines({ 3: "S" }), c: lines({ 7: "S" }, "row") },
  },
  {
    name: "one side renames onto a name that the other adds",
    base: { a: lines() },
    target: { c: lines({ 3: "T" }) },
    source: { a: lines({ 9: "S" }), c: "mine\n" },
    kind: "add/add",
    paths: ["a", "c"],
    targetWins: { c: lines({ 3: "T" }) },
    sourceWins: { a: lines({ 9: "S" }), c: "mine\n" },
  },
  {
    name: "target renames, source deletes",
    base: { a: lines(), ...keep },
    target: { b: lines(), ...keep },
    source: keep,
    kind: "rename/delete",
    paths: ["a", "b"],
    targetWins: { b: lines(), ...keep },
    sourceWins: keep,
    deletion: "source",
  },
  {
    name: "source renames and modifies, target deletes",
    base: { a: lines(), ...keep },
    target: keep,
    source: { b: lines({ 3: "S" }), ...keep },
    kind: "rename/delete",
    paths: ["a", "b"],
    targetWins: keep,
    sourceWins: { b: lines({ 3: "S" }), ...keep },
    deletion: "target",
  },
  {
    name: "target adds a file, source a folder",
    base: keep,
    target: { p: "file\n", ...keep },
    source: { "p/x": "x\n", "p/d/y": "y\n", ...keep },
    kind: "directory/file",
    paths: ["p"],
    targetWins: { p: "file\n", "p~workspace-a/x": "x\n", "p~workspace-a/d/y": "y\n", ...keep },
    sourceWins: { "p~main": "file\n", "p/x": "x\n", "p/d/y": "y\n", ...keep },
  },
  {
    name: "source adds a file, target a folder, and the fallback names are taken",
    base: { "p~main": "m\n", "p~workspace-a/q": "q\n" },
    target: { "p/x": "x\n", "p~main": "m\n", "p~workspace-a/q": "q\n" },
    source: { p: link("file"), "p~main": "m\n", "p~workspace-a/q": "q\n" },
    kind: "directory/file",
    paths: ["p"],
    targetWins: {
      "p/x": "x\n",
      "p~workspace-a_0": "-> file",
      "p~main": "m\n",
      "p~workspace-a/q": "q\n",
    },
    sourceWins: { p: "-> file", "p~main_0/x": "x\n", "p~main": "m\n", "p~workspace-a/q": "q\n" },
  },
  {
    name: "target replaces a folder by a file, source edits in the folder",
    base: { "p/x": lines(), "p/y": lines({}, "y") },
    target: { p: "file\n" },
    source: { "p/x": lines({ 5: "S" }), "p/y": lines({}, "y"), "p/n": "new\n" },
    kind: "directory/file",
    paths: ["p", "p/x"],
    targetWins: { p: "file\n", "p~workspace-a/x": lines({ 5: "S" }), "p~workspace-a/n": "new\n" },
    sourceWins: { "p~main": "file\n", "p/x": lines({ 5: "S" }), "p/n": "new\n" },
  },
  {
    name: "source replaces a modified file by a folder",
    base: { p: lines() },
    target: { p: lines({ 5: "T" }) },
    source: { "p/x": "x\n" },
    kind: "directory/file",
    paths: ["p"],
    targetWins: { p: lines({ 5: "T" }), "p~workspace-a/x": "x\n" },
    sourceWins: { "p~main": lines({ 5: "T" }), "p/x": "x\n" },
  },
  {
    name: "a renamed file clashes with a folder: what merged cleanly stays merged",
    base: { a: lines() },
    target: { p: lines({ 1: "T" }) },
    source: { a: lines({ 15: "S" }), "p/x": "x\n" },
    kind: "directory/file",
    paths: ["a", "p"],
    targetWins: { p: lines({ 1: "T", 15: "S" }), "p~workspace-a/x": "x\n" },
    sourceWins: { a: lines({ 15: "S" }), "p~main": lines({ 1: "T", 15: "S" }), "p/x": "x\n" },
  },
  {
    name: "binary",
    base: { a: "\0base" },
    target: { a: "\0target" },
    source: { a: "\0source" },
    kind: "binary",
    paths: ["a"],
    targetWins: { a: "\0target" },
    sourceWins: { a: "\0source" },
  },
  {
    name: "mode alone",
    base: keep,
    target: { a: executable("same\n"), ...keep },
    source: { a: "same\n", ...keep },
    kind: "mode",
    paths: ["a"],
    targetWins: { a: "x same\n", ...keep },
    sourceWins: { a: "same\n", ...keep },
  },
  {
    name: "content conflicts, one side also sets the mode: the mode follows the winner",
    base: { a: lines() },
    target: { a: executable(lines({ 5: "T" })) },
    source: { a: lines({ 5: "S" }) },
    kind: "modify/modify",
    paths: ["a"],
    targetWins: { a: `x ${lines({ 5: "T" })}` },
    sourceWins: { a: lines({ 5: "S" }) },
  },
  {
    name: "two symbolic links",
    base: { a: link("x") },
    target: { a: link("t") },
    source: { a: link("s") },
    kind: "symbolic_link",
    paths: ["a"],
    targetWins: { a: "-> t" },
    sourceWins: { a: "-> s" },
  },
  {
    name: "a symbolic link against a modified file",
    base: { a: lines() },
    target: { a: link("t") },
    source: { a: lines({ 5: "S" }) },
    kind: "symbolic_link",
    paths: ["a"],
    targetWins: { a: "-> t" },
    sourceWins: { a: lines({ 5: "S" }) },
  },
  {
    name: "submodules",
    base: { a: gitlink("1") },
    target: { a: gitlink("2") },
    source: { a: gitlink("3") },
    kind: "submodule",
    paths: ["a"],
    targetWins: { a: `@ ${"2".repeat(40)}` },
    sourceWins: { a: `@ ${"3".repeat(40)}` },
  },
  {
    name: "a submodule against a file",
    base: keep,
    target: { a: gitlink("2"), ...keep },
    source: { a: "file\n", ...keep },
    kind: "submodule",
    paths: ["a"],
    targetWins: { a: `@ ${"2".repeat(40)}`, ...keep },
    sourceWins: { a: "file\n", ...keep },
  },
  {
    name: "a file added in a renamed folder where that name is taken",
    base: { "d/1": lines({}, "one"), "d/2": lines({}, "two") },
    target: { "e/1": lines({}, "one"), "e/2": lines({}, "two"), "e/n": "T\n" },
    source: { "d/1": lines({}, "one"), "d/2": lines({}, "two"), "d/n": "S\n" },
    kind: "add/add",
    paths: ["d/n", "e/n"],
    targetWins: { "e/1": lines({}, "one"), "e/2": lines({}, "two"), "e/n": "T\n" },
    sourceWins: { "e/1": lines({}, "one"), "e/2": lines({}, "two"), "e/n": "S\n" },
  },
  {
    name: "names that challenge shells and parsers",
    base: { "new\nline~x": lines(), __proto__x: "p" },
    target: { "new\nline~x": lines({ 5: "T" }), __proto__x: "p" },
    source: { "new\nline~x": lines({ 5: "S" }), __proto__x: "p" },
    kind: "modify/modify",
    paths: ["new\nline~x"],
    targetWins: { "new\nline~x": lines({ 5: "T" }), __proto__x: "p" },
    sourceWins: { "new\nline~x": lines({ 5: "S" }), __proto__x: "p" },
  },
];

describe("one conflict of each kind", () => {
  it.each(cases)("$name ($kind)", async (item) => {
    const merge = await three(item.base, item.target, item.source);
    expect(merge.conflicts.map(({ kind, paths }) => ({ kind, paths }))).toEqual([
      { kind: item.kind, paths: item.paths },
    ]);
    for (const take of ["target", "source"] as const) {
      const { tree, losers } = await applyDecisions(repoPath, merge, [{ take }], LABELS);
      const expected = take === "target" ? item.targetWins : item.sourceWins;
      expect(await readFiles(repoPath, tree), `${take} wins`).toEqual({ ...expected });
      const loser = take === "target" ? "source" : "target";
      expect(losers).toEqual([item.deletion === loser ? "deletion" : "kept"]);
    }
  });
});

describe("computeMerge", () => {
  it("leaves clean merges to git, including a file added to a renamed folder", async () => {
    const merge = await three(
      { "d/1": lines({}, "one"), "d/2": lines({}, "two"), a: lines() },
      { "e/1": lines({}, "one"), "e/2": lines({}, "two"), a: lines({ 0: "T" }) },
      { "d/1": lines({}, "one"), "d/2": lines({}, "two"), "d/n": "n\n", a: lines({ 19: "S" }) },
    );
    expect(merge.conflicts).toEqual([]);
    expect(merge.upToDate).toBe(false);
    expect(await readFiles(repoPath, merge.tree)).toEqual({
      "e/1": lines({}, "one"),
      "e/2": lines({}, "two"),
      "e/n": "n\n",
      a: lines({ 0: "T", 19: "S" }),
    });
    expect(await applyDecisions(repoPath, merge, [], LABELS)).toEqual({
      tree: merge.tree,
      losers: [],
    });
  });

  it("reports when there is nothing to merge", async () => {
    const base = await commitFiles(repoPath, [], keep);
    const next = await commitFiles(repoPath, [base], { ...keep, a: "a\n" });
    expect(await computeMerge(repoPath, next, base)).toMatchObject({
      upToDate: true,
      bases: [base],
      conflicts: [],
    });
    expect(await computeMerge(repoPath, base, next)).toMatchObject({
      upToDate: false,
      bases: [base],
    });
    expect((await computeMerge(repoPath, next, next)).upToDate).toBe(true);
  });

  it("does not mistake a missing commit or unrelated histories for a conflict", async () => {
    const one = await commitFiles(repoPath, [], keep);
    const other = await commitFiles(repoPath, [], { b: "b\n" });
    await expect(computeMerge(repoPath, one, other)).rejects.toThrow(UnrelatedHistoriesError);
    await expect(computeMerge(repoPath, one, "0123456789".repeat(4))).rejects.toThrow("git");
    await expect(computeMerge(repoPath, one, "--help")).rejects.toThrow(TypeError);
  });

  it("merges criss-cross histories with two bases", async () => {
    const root = await commitFiles(repoPath, [], { a: lines() });
    const left = await commitFiles(repoPath, [root], { a: lines({ 5: "L" }) });
    const right = await commitFiles(repoPath, [root], { a: lines({ 5: "R" }) });
    const left2 = await commitFiles(repoPath, [left, right], { a: lines({ 5: "L" }), l: "l\n" });
    const right2 = await commitFiles(repoPath, [right, left], { a: lines({ 5: "R" }), r: "r\n" });
    const merge = await computeMerge(repoPath, left2, right2);
    expect(merge.bases.toSorted()).toEqual([left, right].toSorted());
    expect(merge.conflicts).toMatchObject([{ kind: "modify/modify", paths: ["a"] }]);
    const { tree } = await applyDecisions(repoPath, merge, [{ take: "source" }], LABELS);
    expect(await readFiles(repoPath, tree)).toEqual({ a: lines({ 5: "R" }), l: "l\n", r: "r\n" });
  });

  it("resolves each conflict by itself, in path order", async () => {
    const merge = await three(
      { a: lines(), b: lines({}, "b"), c: lines({}, "c"), d: "\0" },
      { a: lines({ 5: "T" }), b2: lines({ 1: "T" }, "b"), c: lines({ 2: "T" }, "c"), d: "\0T" },
      { a: lines({ 5: "S" }), b: lines({ 1: "S" }, "b"), d: "\0S", e: "clean\n" },
    );
    expect(merge.conflicts.map(({ paths, kind }) => [kind, ...paths])).toEqual([
      ["modify/modify", "a"],
      ["modify/modify", "b", "b2"],
      ["modify/delete", "c"],
      ["binary", "d"],
    ]);
    const takes = ["source", "target", "source", "target"] as const;
    const decisions: Decision[] = takes.map((take) => ({ take }));
    const { tree, losers } = await applyDecisions(repoPath, merge, decisions, LABELS);
    expect(losers).toEqual(["kept", "kept", "kept", "kept"]);
    expect(await readFiles(repoPath, tree)).toEqual({
      a: lines({ 5: "S" }),
      b2: lines({ 1: "T" }, "b"),
      d: "\0T",
      e: "clean\n",
    });
  });

  it("asks for no decision if git only could not tell whether files follow a folder", async () => {
    const merge = await three(
      { "d/1": lines({}, "one"), "d/2": lines({}, "two") },
      { "e/1": lines({}, "one"), "f/2": lines({}, "two") },
      { "d/1": lines({}, "one"), "d/2": lines({}, "two"), "d/n": "n\n" },
    );
    expect(merge.conflicts).toEqual([]);
    expect(await readFiles(repoPath, merge.tree)).toEqual({
      "e/1": lines({}, "one"),
      "f/2": lines({}, "two"),
      "d/n": "n\n",
    });
  });

  it("lets a folder replace a file that the other side left alone", async () => {
    const merge = await three(
      { p: "p\n", ...keep },
      { "p/x": "x\n", ...keep },
      { p: "p\n", s: "s\n", ...keep },
    );
    expect(merge.conflicts).toEqual([]);
    expect(await readFiles(repoPath, merge.tree)).toEqual({ "p/x": "x\n", s: "s\n", ...keep });
  });

  it("merges renames on which some git versions fail an assertion", async () => {
    const base = { "p/x": lines({}, "x"), "p/q/z": lines({}, "z"), b: lines({}, "b") };
    const merge = await three(
      base,
      { ...base, b: gitlink("8") },
      {
        "e/x": lines({ 1: "S" }, "x"),
        "e/q/z": lines({ 0: "S", 1: "S" }, "z"),
        "p/q": lines({ 1: "S" }, "b"),
      },
    );
    expect(merge.conflicts).toHaveLength(1);
    const { tree } = await applyDecisions(repoPath, merge, [{ take: "source" }], LABELS);
    expect(await readFiles(repoPath, tree)).toMatchObject({
      "e/x": lines({ 1: "S" }, "x"),
      "e/q/z": lines({ 0: "S", 1: "S" }, "z"),
      "p/q": lines({ 1: "S" }, "b"),
    });
  });

  it("keeps the bytes of names that are not text", async () => {
    const { git } = await import("../process/run.js");
    const name = Buffer.from([0x66, 0xff, 0xfe]);
    const make = async (parent: string | null, text: string): Promise<string> => {
      const input = Buffer.concat([
        Buffer.from("commit refs/test/bytes\nmark :1\n"),
        Buffer.from("committer T <t@example.org> 1700000000 +0000\ndata 0\n"),
        Buffer.from(
          parent === null ? "deleteall\nM 100644 inline " : `from ${parent}\nM 100644 inline `,
        ),
        name,
        Buffer.from(`\ndata ${text.length}\n${text}\nget-mark :1\ndone\n`),
      ]);
      const args = ["fast-import", "--quiet", "--force", "--done", "--date-format=raw"];
      return (await git(args, { gitDir: repoPath, input })).stdout.toString().trim();
    };
    const base = await make(null, lines());
    const merge = await computeMerge(
      repoPath,
      await make(base, lines({ 5: "T" })),
      await make(base, lines({ 5: "S" })),
    );
    expect(merge.conflicts).toMatchObject([{ kind: "modify/modify", paths: ["f\ufffd\ufffd"] }]);
    const { tree } = await applyDecisions(repoPath, merge, [{ take: "source" }], LABELS);
    expect([...(await listTree(repoPath, tree)).keys()]).toEqual([name.toString("latin1")]);
    const source = await listTree(repoPath, merge.source);
    expect([...(await listTree(repoPath, tree)).values()]).toEqual([...source.values()]);
  });
});

describe("applyDecisions", () => {
  it("replaces all paths of a conflict by given content", async () => {
    const { git } = await import("../process/run.js");
    const hash = ["hash-object", "-w", "--stdin"];
    const { stdout } = await git(hash, { gitDir: repoPath, input: "by hand\n" });
    const content = { take: "content", oid: stdout.toString().trim(), mode: "100644" } as const;
    const renamed = await three({ a: lines() }, { b: lines({ 5: "T" }) }, { c: lines({ 5: "S" }) });
    const first = await applyDecisions(repoPath, renamed, [{ ...content, path: "c" }], LABELS);
    expect(await readFiles(repoPath, first.tree)).toEqual({ c: "by hand\n" });
    const clash = await three(keep, { p: "file\n", ...keep }, { "p/x": "x\n", ...keep });
    const second = await applyDecisions(repoPath, clash, [{ ...content, path: "p" }], LABELS);
    expect(await readFiles(repoPath, second.tree)).toEqual({
      p: "by hand\n",
      "p~workspace-a/x": "x\n",
      ...keep,
    });
  });

  it("rejects a path into .git and a wrong number of decisions", async () => {
    const merge = await three({ a: lines() }, { a: lines({ 5: "T" }) }, { a: lines({ 5: "S" }) });
    const [entry] = merge.conflicts[0]?.entries ?? [];
    for (const path of [".git/config", "../x", "a/../../x", "/etc/x", ""]) {
      const decision: Decision = { take: "content", path, oid: entry?.oid ?? "", mode: "100644" };
      await expect(applyDecisions(repoPath, merge, [decision], LABELS), path).rejects.toThrow();
    }
    await expect(applyDecisions(repoPath, merge, [], LABELS)).rejects.toThrow(TypeError);
  });

  it("gives the same tree every time, independent of the branch name", async () => {
    const args = [
      { "p/x": lines(), a: lines(), b: lines({}, "b") },
      { p: "file\n", b: lines({ 3: "T" }, "b"), c: lines({ 3: "T" }) },
      { "p/x": lines({ 5: "S" }), d: lines({ 3: "S" }), b: lines({ 3: "S" }, "b") },
    ] as const;
    const merge = await three(...args);
    expect(merge.conflicts).toHaveLength(3);
    const decisions: Decision[] = merge.conflicts.map((_, at) => ({
      take: at % 2 === 0 ? "target" : "source",
    }));
    const trees = new Set<string>();
    for (let round = 0; round < 25; round += 1) {
      const again = await computeMerge(repoPath, merge.target, merge.source);
      expect(again).toEqual(merge);
      trees.add((await applyDecisions(repoPath, again, decisions, LABELS)).tree);
    }
    expect(trees.size).toBe(1);
  });

  it("resolves all kinds of conflicts in one merge, repeated many times", async () => {
    // Each case gets its own folder and marked lines, so that git detects no renames between cases.
    const mark = (index: number, text: string) => text.replaceAll(/^(?=.)/gm, `${index}${index}: `);
    const marked = (index: number, entry: Entry): Entry => {
      if (typeof entry === "string") return mark(index, entry);
      if (entry instanceof Uint8Array || entry.mode !== "100755") return entry;
      return executable(mark(index, entry.data));
    };
    const all = (of: (item: Case) => Files): Files =>
      Object.fromEntries(
        cases.flatMap((cas, index) =>
          Object.entries(of(cas)).map(([path, entry]) => [
            `${index}/${path}`,
            marked(index, entry),
          ]),
        ),
      );
    const merge = await three(
      all(({ base }) => base),
      all(({ target }) => target),
      all(({ source }) => source),
    );
    const kinds = new Set(merge.conflicts.map(({ kind }) => kind));
    for (const { kind } of cases) expect([...kinds]).toContain(kind);
    expect(merge.conflicts).toHaveLength(cases.length);
    const decisions: Decision[] = merge.conflicts.map((_, at) => ({
      take: at % 2 === 0 ? "target" : "source",
    }));
    const trees = new Set<string>();
    const again = async (): Promise<void> => {
      const computed = await computeMerge(repoPath, merge.target, merge.source);
      expect(computed).toEqual(merge);
      trees.add((await applyDecisions(repoPath, computed, decisions, LABELS)).tree);
    };
    for (let round = 0; round < rounds({ thorough: 400, else: 12 }); round += 4) {
      await Promise.all([again(), again(), again(), again()]);
    }
    expect(trees.size).toBe(1);
  }, 240_000);
});
