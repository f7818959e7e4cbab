// Thorough: a merge of hundreds of files.
import { afterAll, beforeAll, expect, it } from "vitest";
import { commitFiles, testRepository, type Files } from "#test/support/git/test-repository.js";
import { computeMerge, currentDrivers } from "../merge.js";
import { DataMerges } from "./data/data-merges.js";
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

it("drivers apply to up to 200 files", async () => {
  const files = (line: string): Files =>
    Object.fromEntries(
      Array.from({ length: 201 }, (_, at) => [`${String(at).padStart(3, "0")}/go.sum`, line]),
    );
  const base = await commitFiles(repoPath, [], files("a\n"));
  const merge = await computeMerge(
    repoPath,
    await commitFiles(repoPath, [base], files("a\nt\n")),
    await commitFiles(repoPath, [base], files("a\ns\n")),
    null,
    currentDrivers([{ pattern: "**/go.sum", driver: "union" }]),
    { data: new DataMerges(processes, "organization") },
  );
  expect(merge.driverFiles).toHaveLength(200);
  expect(merge.conflicts.map(({ paths }) => paths)).toEqual([["200/go.sum"]]);
});
