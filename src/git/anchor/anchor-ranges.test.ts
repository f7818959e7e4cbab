import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { rounds } from "#test/support/thorough.js";
import { stopObjectReader } from "../objects/object-reader.js";
import { git } from "../process/run.js";
import { createRepository } from "../store/repository.js";
import { anchorRanges, type LineRange } from "./anchor-ranges.js";
import { replaceLines } from "./replace-lines.js";

let folder: string;
let repoPath: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "omoi-anchor-"));
  repoPath = join(folder, "repository.git");
  await createRepository(repoPath, "main");
});
afterEach(async () => {
  await stopObjectReader(repoPath);
  await rm(folder, { recursive: true, force: true });
});

let mark = 0;

/** Writes a commit for each list of files, one after another, and returns their ids. */
async function commits(states: readonly Record<string, string>[]): Promise<string[]> {
  const parts: string[] = [];
  const first = mark + 1;
  for (const [index, files] of states.entries()) {
    mark += 1;
    parts.push(`commit refs/heads/work\nmark :${mark}\ncommitter A <a@b> 1 +0000\ndata 1\nx\n`);
    if (index > 0) parts.push(`from :${mark - 1}\n`);
    parts.push("deleteall\n");
    for (const [path, text] of Object.entries(files)) {
      parts.push(`M 100644 inline ${path}\ndata ${Buffer.byteLength(text)}\n${text}\n`);
    }
  }
  for (let at = first; at <= mark; at += 1) parts.push(`get-mark :${at}\n`);
  const { stdout } = await git(["fast-import", "--quiet", "--force"], {
    gitDir: repoPath,
    input: parts.join(""),
  });
  return stdout.toString("latin1").trim().split("\n");
}

const range = (commit: string, path: string, startLine: number, line: number): LineRange => ({
  commit,
  path,
  startLine,
  line,
  text: null,
});
const textOf = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join("");

describe("anchorRanges", () => {
  test("a range of any commit has the same text in the newest one, or is outdated", async () => {
    const line = fc.oneof(fc.constantFrom("}", "", "return"), fc.nat(30).map(String));
    const edit = fc.record({
      at: fc.nat(30),
      removed: fc.nat(3),
      added: fc.array(line, { maxLength: 3 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(line, { minLength: 1, maxLength: 30 }),
        fc.array(edit, { minLength: 1, maxLength: 6 }),
        async (start, edits) => {
          const states = [start];
          for (const { at, removed, added } of edits) {
            const next = [...(states.at(-1) as string[])];
            next.splice(Math.min(at, next.length), removed, ...added);
            states.push(next);
          }
          const shas = await commits(states.map((lines) => ({ "a.txt": textOf(lines) })));
          const wanted = states.flatMap((lines, index) =>
            lines.map((_line, at) =>
              range(shas[index] as string, "a.txt", Math.max(1, at), at + 1),
            ),
          );
          const found = await anchorRanges(repoPath, wanted, shas.at(-1) as string);
          const newest = states.at(-1) as string[];
          for (const [index, place] of found.entries()) {
            const { commit, startLine, line: last } = wanted[index] as LineRange;
            if (!place) {
              expect(commit).not.toBe(shas.at(-1));
              continue;
            }
            const before = states[shas.lastIndexOf(commit)] as string[];
            expect(newest.slice((place.startLine ?? 0) - 1, place.line ?? 0)).toEqual(
              before.slice((startLine ?? 0) - 1, last ?? 0),
            );
          }
        },
      ),
      { numRuns: rounds({ thorough: 25, else: 8 }) },
    );
  });

  /** Commits a change of a commit's parent again, on another parent; null if it conflicts there. */
  async function rebase(commit: string, onto: string): Promise<string | null> {
    const options = { gitDir: repoPath };
    const merged = await git(
      ["merge-tree", "--write-tree", `--merge-base=${commit}^`, onto, commit],
      { ...options, okExitCodes: [0, 1] },
    );
    if (merged.exitCode !== 0) return null;
    const tree = merged.stdout.toString().trim();
    const author = ["-c", "user.name=A", "-c", "user.email=a@b"];
    const { stdout } = await git([...author, "commit-tree", "-m", "x", "-p", onto, tree], options);
    return stdout.toString().trim();
  }

  test("after a rebase, a range stands at its line or is outdated, also without its commit", async () => {
    const line = fc.oneof(fc.constantFrom("}", "", "return"), fc.nat(30).map(String));
    const edit = fc.record({
      at: fc.nat(30),
      removed: fc.nat(2),
      added: fc.array(line, { maxLength: 3 }),
    });
    type Edit = typeof edit extends fc.Arbitrary<infer T> ? T : never;
    const apply = (lines: readonly string[], edits: readonly Edit[]): string[] =>
      edits.reduce(
        (done, { at, removed, added }) =>
          done.toSpliced(Math.min(at, done.length), removed, ...added),
        [...lines],
      );
    let rebased = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(line, { minLength: 1, maxLength: 30 }),
        fc.array(edit, { minLength: 1, maxLength: 3 }),
        fc.array(edit, { minLength: 1, maxLength: 3 }),
        async (start, own, others) => {
          const file = (lines: readonly string[]) => ({ "a.txt": textOf(lines) });
          const written = apply(start, own);
          const [, reviewed] = await commits([file(start), file(written)]);
          const [, target] = await commits([file(start), file(apply(start, others))]);
          const head = await rebase(reviewed as string, target as string);
          if (head === null) return;
          rebased += 1;
          const shown = await git(["cat-file", "blob", `${head}:a.txt`], { gitDir: repoPath });
          const newest = shown.stdout.toString().split("\n").slice(0, -1);
          const wanted = written.map((text, at) => ({
            ...range(reviewed as string, "a.txt", at + 1, at + 1),
            text,
          }));
          for (const commit of [reviewed as string, "1".repeat(40)]) {
            const found = await anchorRanges(
              repoPath,
              wanted.map((one) => ({ ...one, commit })),
              head,
            );
            for (const [index, place] of found.entries()) {
              if (place) expect(newest[(place.line ?? 0) - 1]).toBe(written[index]);
            }
          }
        },
      ),
      { numRuns: 25 },
    );
    expect(rebased).toBeGreaterThan(0);
  });

  test("after a rebase, lines that the target did not touch stand where they moved to", async () => {
    const lines = Array.from({ length: 20 }, (_, at) => `line ${at}`);
    const own = lines.with(12, "changed by the agent");
    const [, reviewed] = await commits([{ "a.txt": textOf(lines) }, { "a.txt": textOf(own) }]);
    const others = ["above", ...lines.with(3, "changed by others"), "below"];
    const [, target] = await commits([{ "a.txt": textOf(lines) }, { "a.txt": textOf(others) }]);
    const head = (await rebase(reviewed as string, target as string)) as string;
    const at = (from: number, to: number) => range(reviewed as string, "a.txt", from, to);
    expect(
      await anchorRanges(repoPath, [at(13, 13), at(12, 14), at(4, 4), at(20, 20)], head),
    ).toEqual([
      { path: "a.txt", startLine: 14, line: 14 },
      { path: "a.txt", startLine: 13, line: 15 },
      null,
      { path: "a.txt", startLine: 21, line: 21 },
    ]);
  });

  test("follows a file that was renamed twice, and loses one that was deleted", async () => {
    const lines = Array.from({ length: 20 }, (_, at) => `line ${at}`);
    const [first, second, last] = (await commits([
      { "a.txt": textOf(lines), "gone.txt": "gone\n" },
      { "dir/b.txt": textOf(["new", ...lines]) },
      { "dir/c ü.txt": textOf(["new", "newer", ...lines]) },
    ])) as [string, string, string];
    const whole = { commit: first, path: "a.txt", startLine: null, line: null, text: null };
    expect(
      await anchorRanges(
        repoPath,
        [
          range(first, "a.txt", 3, 4),
          range(second, "dir/b.txt", 3, 3),
          range(first, "gone.txt", 1, 1),
          whole,
        ],
        last,
      ),
    ).toEqual([
      { path: "dir/c ü.txt", startLine: 5, line: 6 },
      { path: "dir/c ü.txt", startLine: 4, line: 4 },
      null,
      { path: "dir/c ü.txt", startLine: null, line: null },
    ]);
  });

  test("finds the text of a commit that is gone where it stands once", async () => {
    const [head] = (await commits([{ "a.txt": "x\ny\nz\nx\n" }])) as [string];
    const lost = { commit: "1".repeat(40), path: "a.txt" };
    expect(
      await anchorRanges(
        repoPath,
        [
          { ...lost, startLine: 7, line: 8, text: "y\nz" },
          { ...lost, startLine: 7, line: 7, text: "x" },
        ],
        head,
      ),
    ).toEqual([{ path: "a.txt", startLine: 2, line: 3 }, null]);
  });
});

describe("replaceLines", () => {
  const replaced = async (before: string, text: string, startLine = 2, line = 2) => {
    const [head] = (await commits([{ "a.txt": before }])) as [string];
    const { stdout } = await git(["rev-parse", `${head}^{tree}`], { gitDir: repoPath });
    const tree = await replaceLines(repoPath, stdout.toString().trim(), [
      { path: "a.txt", startLine, line, text },
    ]);
    if (tree === null) return null;
    const shown = await git(["cat-file", "blob", `${tree}:a.txt`], { gitDir: repoPath });
    return shown.stdout.toString("utf8");
  };

  test.each([
    ["a\nb\nc\n", "x\ny", "a\nx\ny\nc\n"],
    ["a\nb\nc\n", "", "a\nc\n"],
    ["a\r\nb\r\nc\r\n", "x\ny\n", "a\r\nx\r\ny\r\nc\r\n"],
    ["a\nb", "x", "a\nx"],
    ["a\nb", "x\ny", "a\nx\ny"],
    ["a\nb\n", "é", "a\né\n"],
    ["a", "x", null],
  ])("%j with %j becomes %j", async (before, text, after) => {
    expect(await replaced(before, text)).toBe(after);
  });
});
