import { assertOid } from "../objects/oid.js";
import { spawnGit, type ProcessOptions } from "../process/run.js";

/**
 * Lists the paths of the files in a commit, in the order of git, at most `limit`. Bytes that are not UTF-8 are
 * replaced.
 * @throws GitError
 */
export async function listPaths(
  repoPath: string,
  commit: string,
  limit: number,
  options: ProcessOptions = {},
): Promise<string[]> {
  assertOid(commit);
  const listing = spawnGit(["ls-tree", "-r", "-z", "--name-only", commit], {
    gitDir: repoPath,
    ...options,
  });
  const paths: string[] = [];
  let rest = "";
  listing.stdout.setEncoding("utf8");
  for await (const chunk of listing.stdout as AsyncIterable<string>) {
    const parts = (rest + chunk).split("\0");
    rest = parts.pop() ?? "";
    paths.push(...parts);
    if (paths.length < limit) continue;
    listing.kill();
    return paths.slice(0, limit);
  }
  await listing.done;
  return paths;
}
