import { afterAll, beforeAll, describe, expect, it } from "vitest";
import fc from "fast-check";
import { commitFiles, testRepository, type Files } from "#test/support/git/test-repository.js";
import { rounds } from "#test/support/thorough.js";
import { git } from "../process/run.js";
import { looseObject, writeObject } from "../objects/loose-object.js";
import { computeMerge } from "./merge.js";
import { mergedTexts, takeHunks, type HunkTake, type MergedText } from "./merged-text.js";

let repoPath = "";
let dispose = async (): Promise<void> => undefined;
beforeAll(async () => {
  ({ repoPath, dispose } = await testRepository());
});
afterAll(() => dispose());

async function merged(base: Files, target: Files, source: Files): Promise<(MergedText | null)[]> {
  const root = await commitFiles(repoPath, [], base);
  const merge = await computeMerge(
    repoPath,
    await commitFiles(repoPath, [root], target),
    await commitFiles(repoPath, [root], source),
  );
  return mergedTexts(repoPath, merge);
}

const hunksOf = ({ segments }: MergedText) => segments.filter((segment) => "target" in segment);

describe("the merged text of a conflict", () => {
  it("contains merged lines and one hunk per conflict", async () => {
    const lines = Array.from({ length: 30 }, (_, at) => `line ${at}\n`);
    const changed = (changes: Record<number, string>): string =>
      lines.map((line, at) => changes[at] ?? line).join("");
    const [text] = await merged(
      { a: lines.join("") },
      { a: changed({ 3: "T3\n", 10: "only target\n", 20: "T20\n" }) },
      { a: changed({ 3: "S3\n", 15: "only source\n", 20: "S20\n" }) },
    );
    expect(text?.path).toBe("a");
    expect(hunksOf(text as MergedText)).toEqual([
      { target: "T3\n", source: "S3\n" },
      { target: "T20\n", source: "S20\n" },
    ]);
    const clean = { 10: "only target\n", 15: "only source\n" };
    expect(takeHunks(text as MergedText, ["source", "both"])).toBe(
      changed({ ...clean, 3: "S3\n", 20: "T20\nS20\n" }),
    );
    expect(() => takeHunks(text as MergedText, ["source"])).toThrow(TypeError);
    expect(() => takeHunks(text as MergedText, ["source", "target", "both"])).toThrow(TypeError);
  });

  it("does not mistake the file's own markers for conflicts", async () => {
    const own = "<<<<<<< old\n=======\n>>>>>>> old\n<<<<<<<<<<\n";
    const [text] = await merged({ a: `${own}x\n` }, { a: `${own}T\n` }, { a: `${own}S\n` });
    expect(text?.segments).toEqual([{ text: own }, { target: "T\n", source: "S\n" }]);
  });

  it("accepts lines of any number of marker characters", async () => {
    const own = `${"=".repeat(200_000)}\n`;
    const [text] = await merged({ a: `${own}x\n` }, { a: `${own}T\n` }, { a: `${own}S\n` });
    expect(text?.segments).toEqual([{ text: own }, { target: "T\n", source: "S\n" }]);
  });

  it("keeps a missing newline at the end and CRLF line ends", async () => {
    const [text] = await merged({ a: "x" }, { a: "T" }, { a: "S\n" });
    expect(text?.segments).toEqual([{ target: "T", source: "S\n" }]);
    expect(takeHunks(text as MergedText, ["target"])).toBe("T");
    expect(takeHunks(text as MergedText, ["both"])).toBe("T\nS\n");
    const [crlf] = await merged({ b: "1\r\nx\r\n" }, { b: "1\r\nT\r\n" }, { b: "1\r\nS" });
    expect(crlf?.segments).toEqual([{ text: "1\r\n" }, { target: "T\r\n", source: "S" }]);
  });

  it("is null for deleted, binary and large files, links and clashes", async () => {
    const big = "x".repeat(300_000);
    const none = await merged(
      { deleted: "a\n", binary: "\0a", big: `${big}a`, link: { mode: "120000", data: "a" } },
      { binary: "\0b", big: `${big}b`, link: { mode: "120000", data: "b" }, clash: "file\n" },
      {
        deleted: "c\n",
        binary: "\0c",
        big: `${big}c`,
        link: { mode: "120000", data: "c" },
        "clash/file": "folder\n",
      },
    );
    expect(none).toEqual([null, null, null, null, null]);
  });

  it("merges files that both sides added", async () => {
    const [text] = await merged({ z: "z\n" }, { z: "z\n", a: "1\nT\n" }, { z: "z\n", a: "1\nS\n" });
    expect(text?.segments).toEqual([{ text: "1\n" }, { target: "T\n", source: "S\n" }]);
  });

  it("equals git's own choices of a side for random texts", async () => {
    const line = fc.constantFrom("a\n", "b\n", "c\n", "<<<<<<<\n", "=======\n", "x\r\n", "é\n");
    const file = fc
      .tuple(fc.array(line, { maxLength: 12 }), fc.constantFrom("", "end", "end\r"))
      .map(([all, end]) => all.join("") + end);
    await fc.assert(
      fc.asyncProperty(file, file, file, async (base, target, source) => {
        const [text] = await merged({ a: base }, { a: target }, { a: source });
        if (!text) return;
        const all = (take: HunkTake): string =>
          takeHunks(
            text,
            hunksOf(text).map(() => take),
          );
        const favor = async (option: string): Promise<string> => {
          const oids = await Promise.all(
            [target, base, source].map((content) =>
              writeObject(repoPath, looseObject("blob", Buffer.from(content))),
            ),
          );
          const args = ["merge-file", "--object-id", "-p", "--diff-algorithm=histogram", option];
          return (await git([...args, ...oids], { gitDir: repoPath })).stdout.toString();
        };
        expect(all("target")).toBe(await favor("--ours"));
        expect(all("source")).toBe(await favor("--theirs"));
      }),
      { numRuns: rounds({ thorough: 500, else: 8 }) },
    );
  });
});
