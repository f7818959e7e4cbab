import { afterAll, beforeAll, expect, test } from "vitest";
import { commitFiles, testRepository } from "#test/support/git/test-repository.js";
import { rounds } from "#test/support/thorough.js";
import { changeBetween } from "./change-between.js";
import { diffFilesWithBlobs } from "./diff.js";

let repoPath = "";
let dispose = async (): Promise<void> => undefined;
beforeAll(async () => {
  ({ repoPath, dispose } = await testRepository());
});
afterAll(() => dispose());

test("is what git says, for every pair in any order, also after it was forgotten", async () => {
  const commits: string[] = [];
  for (let at = 0; at < 18; at += 1) {
    const files = {
      "a.txt": `${at % 5}\n`,
      "b.txt": " ".repeat(at % 3) + "b\n",
      [`${at}.txt`]: "x\n",
    };
    commits.push(await commitFiles(repoPath, commits.slice(-1), files));
  }
  const draw = (): string => commits[Math.floor(Math.random() * commits.length)] as string;
  // With THOROUGH=1 more than are remembered.
  const asked = Array.from({ length: rounds({ thorough: 260, else: 30 }) }, () => {
    const from = Math.random() < 0.1 ? null : draw();
    return { from, to: draw(), ignoreWhitespace: Math.random() < 0.5 };
  });
  for (const { from, to, ignoreWhitespace } of asked) {
    const again = asked[Math.floor(Math.random() * asked.length)];
    const [change] = await Promise.all([
      changeBetween(repoPath, from, to, { ignoreWhitespace }),
      again && changeBetween(repoPath, again.from, again.to, again),
    ]);
    const { files, stats, blobs } = change;
    const direct = await diffFilesWithBlobs(repoPath, from, to, { patch: true, ignoreWhitespace });
    expect({ files, stats }).toEqual({ files: direct.files, stats: direct.stats });
    expect([...blobs.values()]).toEqual([...direct.blobs.values()]);
  }
});

test("a failure is not remembered", async () => {
  const [from, to] = [
    await commitFiles(repoPath, [], { a: "1\n" }),
    await commitFiles(repoPath, [], { a: "2\n" }),
  ] as const;
  const missing = "1".repeat(40);
  await expect(changeBetween(repoPath, missing, to)).rejects.toThrow();
  await expect(changeBetween(repoPath, missing, to)).rejects.toThrow();
  expect((await changeBetween(repoPath, from, to)).stats.additions).toBe(1);
});
