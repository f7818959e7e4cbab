/** A place to compute in without writing into a store. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { removeTree } from "../worktree/atomic-directory.js";

/**
 * Runs work with a bare repository that reads all objects of `repoPath` and has no references: what git
 * writes there goes with it when the work has ended. One at a time for each store, which the caller sees
 * to; what a crash left is removed by the next.
 */
export async function withTempRepository<Result>(
  repoPath: string,
  work: (scratch: string) => Promise<Result>,
): Promise<Result> {
  const scratch = join(repoPath, "scratch");
  await removeTree(scratch);
  try {
    await mkdir(join(scratch, "objects/info"), { recursive: true });
    await mkdir(join(scratch, "refs"));
    await writeFile(join(scratch, "HEAD"), "ref: refs/heads/none\n");
    await writeFile(
      join(scratch, "config"),
      "[core]\n\trepositoryformatversion = 0\n\tbare = true\n",
    );
    await writeFile(join(scratch, "objects/info/alternates"), "../../objects\n");
    return await work(scratch);
  } finally {
    await removeTree(scratch);
  }
}
