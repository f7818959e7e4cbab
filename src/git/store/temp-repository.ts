/** A scratch repository for computations. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { removeTree } from "../worktree/atomic-directory.js";

/**
 * Runs work with a temporary bare repository that borrows all objects of `repoPath` and has no
 * references; new objects are discarded afterwards. The caller allows one at a time per repository.
 * The next call removes the remains of a crash.
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
