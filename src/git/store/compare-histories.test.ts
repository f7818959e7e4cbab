import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { rounds } from "#test/support/thorough.js";
import { commitFiles, testRepository } from "#test/support/git/test-repository.js";
import { git } from "../process/run.js";
import { countApart } from "./branches.js";
import { compareHistories } from "./compare-histories.js";
import { commitTree } from "./repository.js";
import { EMPTY_TREE } from "../process/run.js";

let repoPath = "";
let dispose = async (): Promise<void> => undefined;

beforeAll(async () => {
  ({ repoPath, dispose } = await testRepository());
});
afterAll(() => dispose());

let made = 0;
const START = 1_700_000_000;

/** A commit of the given second, unlike all others. */
async function commitAt(parents: readonly string[], second: number): Promise<string> {
  made += 1;
  await git(["mktree"], { gitDir: repoPath, input: "" });
  return commitTree(repoPath, {
    tree: EMPTY_TREE,
    parents,
    message: `commit ${made}`,
    author: { name: "Test", email: "test@example.org" },
    date: new Date((START + second) * 1000),
  });
}

/** Git's answer: all merge bases, and the commits of each side only. */
async function askGit(source: string, target: string) {
  const lines = async (...args: string[]): Promise<string[]> => {
    const { stdout } = await git(args, { gitDir: repoPath, okExitCodes: [0, 1] });
    return stdout.toString("latin1").split("\n").filter(Boolean).sort();
  };
  return {
    bases: await lines("merge-base", "--all", source, target),
    source: await lines("rev-list", source, `^${target}`),
    target: await lines("rev-list", target, `^${source}`),
  };
}

const ids = (commits: readonly { oid: string }[]): string[] => commits.map(({ oid }) => oid).sort();

describe("compareHistories", () => {
  it("gives the merge base and the commits of each side, newest first", async () => {
    const base = await commitAt([await commitAt([], 0)], 1);
    const one = await commitAt([base], 2);
    const two = await commitAt([one], 3);
    const other = await commitAt([base], 4);
    const found = await compareHistories(repoPath, { source: two, target: other });
    expect(found?.base).toBe(base);
    expect(found?.source.map(({ oid }) => oid)).toEqual([two, one]);
    expect(found?.target.map(({ oid }) => oid)).toEqual([other]);
    expect(await compareHistories(repoPath, { source: one, target: two })).toMatchObject({
      base: one,
      source: [],
    });
    expect(await compareHistories(repoPath, { source: two, target: two })).toEqual({
      base: two,
      source: [],
      target: [],
    });
  });

  it("gives null for no common history, and leaves several merge bases to git", async () => {
    const [left, right] = [await commitAt([], 0), await commitAt([], 1)];
    expect((await compareHistories(repoPath, { source: left, target: right }))?.base).toBeNull();
    const both = [await commitAt([left, right], 2), await commitAt([right, left], 3)];
    const [source = "", target = ""] = both;
    expect(await compareHistories(repoPath, { source, target })).toBeNull();
  });

  it("leaves missing commits, other objects and clocks that went back to git", async () => {
    const base = await commitAt([], 10);
    const early = await commitAt([base], 5);
    const missing = "0123456789".repeat(4);
    for (const source of [early, missing, EMPTY_TREE]) {
      expect(await compareHistories(repoPath, { source, target: base })).toBeNull();
    }
  });

  it("leaves a long unread history to git, until enough of it has been read", async () => {
    const base = await commitAt([], 0);
    let tip = base;
    for (let at = 1; at <= 40; at += 1) tip = await commitAt([tip], at);
    const sides = { source: tip, target: base };
    expect(await compareHistories(repoPath, sides)).toBeNull();
    expect((await compareHistories(repoPath, sides))?.source).toHaveLength(40);
  });

  it("gives the same as git for random histories", async () => {
    const edit = fc.record({
      parents: fc.array(fc.nat(), { minLength: 1, maxLength: 3 }),
      // Many commits are of one second.
      after: fc.constantFrom(0, 0, 1, 5),
    });
    const numRuns = rounds({ thorough: 100, else: 6 });
    let answered = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { minLength: 3, maxLength: 14 }), async (edits) => {
        const commits = [await commitAt([], 0)];
        let second = 0;
        const hasEqualTimes = edits.some(({ after }) => after === 0);
        for (const { parents, after } of edits) {
          second += after;
          const recent = commits.slice(-5);
          const known = parents.map((parent) => recent[parent % recent.length] as string);
          commits.push(await commitAt([...new Set(known)], second));
        }
        for (const [source, target] of [commits.slice(-2), commits.slice(-3, -1)] as const) {
          if (source === undefined || target === undefined) continue;
          const found = await compareHistories(repoPath, { source, target });
          const expected = await askGit(source, target);
          expect(await countApart(repoPath, source, target)).toEqual({
            ahead: expected.source.length,
            behind: expected.target.length,
          });
          if (found === null) {
            expect(expected.bases.length > 1 || hasEqualTimes).toBe(true);
            continue;
          }
          answered += 1;
          expect({
            bases: found.base === null ? [] : [found.base],
            source: ids(found.source),
            target: ids(found.target),
          }).toEqual(expected);
        }
      }),
      { numRuns },
    );
    expect(answered).toBeGreaterThan(numRuns / 4);
  });
});

it("reads a commit of another repository as missing", async () => {
  const other = await testRepository();
  try {
    const base = await commitFiles(repoPath, [], { a: "1" });
    const tip = await commitFiles(repoPath, [base], { a: "2" });
    const sides = { source: tip, target: base };
    expect(await compareHistories(repoPath, sides)).not.toBeNull();
    expect(await compareHistories(other.repoPath, sides)).toBeNull();
  } finally {
    await other.dispose();
  }
});
