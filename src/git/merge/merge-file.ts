/** Shared arguments of `git merge-file`. */
import { gitVersion } from "../process/run.js";

/** The empty blob, known to every repository. */
export const EMPTY_BLOB = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391";

/** Returns the option for the algorithm of `git merge-tree`; git before 2.44 has no choice. */
export async function diffAlgorithm(): Promise<string[]> {
  const { major, minor } = await (version ??= gitVersion());
  return major > 2 || minor >= 44 ? ["--diff-algorithm=histogram"] : [];
}
let version: ReturnType<typeof gitVersion> | undefined;
