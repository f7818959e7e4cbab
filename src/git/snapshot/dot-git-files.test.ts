import { execFileSync } from "node:child_process";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { makeTempFolder } from "#test/support/git/git.js";
import { guardDotGitFiles } from "./dot-git-files.js";

/** Longer than the interval of the checks. */
const work = (signal: AbortSignal) => pause(1500, "done", { signal });

test("a pipe aborts the work, except in a repository at the top", async () => {
  const root = await makeTempFolder();
  const folder = join(root, "a[b]*");
  const pipe = async (path: string): Promise<void> => {
    await mkdir(join(folder, path, ".."), { recursive: true });
    execFileSync("mkfifo", [join(folder, path)]);
  };
  await pipe(".git/info/.gitignore");
  expect(await guardDotGitFiles(folder, undefined, work)).toBe("done");
  await pipe("vendor/.git/.gitattributes");
  await expect(guardDotGitFiles(folder, undefined, work)).rejects.toThrow(
    "vendor/.git/.gitattributes",
  );
  await rm(root, { recursive: true });
});
