import { afterAll, beforeAll, expect, it } from "vitest";
import { commitFiles, testRepository } from "#test/support/git/test-repository.js";
import { searchDiff } from "./search-diff.js";

let repoPath = "";
let dispose = async (): Promise<void> => undefined;
beforeAll(async () => {
  ({ repoPath, dispose } = await testRepository());
});
afterAll(() => dispose());

it("finds text in changed lines alone, with the lines of their sides", async () => {
  const from = await commitFiles(repoPath, [], {
    "a b.txt": "keep total\nold total\nend\n",
    "gone.txt": "Total here\n",
    "tab\tü.txt": "x\n",
  });
  const to = await commitFiles(repoPath, [from], {
    "a b.txt": "first\nkeep total\nnew total\nend\n",
    "tab\tü.txt": "x\n--- a/total\n++ total\n",
  });
  const search = async (text: string, limit = 100) =>
    searchDiff(repoPath, from, to, { text, limit });
  expect(await search("total")).toEqual({
    complete: true,
    matches: [
      { path: "a b.txt", side: "old", line: 2, text: "old total" },
      { path: "a b.txt", side: "new", line: 3, text: "new total" },
      { path: "gone.txt", side: "old", line: 1, text: "Total here" },
      { path: "tab\tü.txt", side: "new", line: 2, text: "--- a/total" },
      { path: "tab\tü.txt", side: "new", line: 3, text: "++ total" },
    ],
  });
  expect((await search("Total")).matches).toMatchObject([{ path: "gone.txt" }]);
  expect(await search("total", 2)).toMatchObject({ complete: false, matches: [{}, {}] });
  expect((await search("keep")).matches).toEqual([]);
});
