/** The driver `union`: git's union merge, which keeps the lines of both sides. */
import { git, type ProcessOptions } from "../../process/run.js";
import { diffAlgorithm, EMPTY_BLOB } from "../merge-file.js";
import { byLines, type DriverResult } from "./applied-drivers.js";
import type { Candidate } from "./find-candidates.js";

/** The exit code of `git merge-file` for binary files. */
const FAILED = 255;

/**
 * Merges a file by lines; where both sides changed the same lines, the target's come first.
 * @throws GitError
 */
export async function mergeUnion(
  repoPath: string,
  { base, target, source }: Pick<Candidate, "base" | "target" | "source">,
  process: ProcessOptions,
): Promise<DriverResult> {
  const options = ["--object-id", "--union", "--quiet", ...(await diffAlgorithm())];
  const { stdout, exitCode } = await git(
    ["merge-file", ...options, target.oid, base?.oid ?? EMPTY_BLOB, source.oid],
    { gitDir: repoPath, okExitCodes: [0, FAILED], ...process },
  );
  if (exitCode === FAILED) return byLines("It is a binary file.");
  return { result: "merged", oid: stdout.toString("latin1").trim() };
}
