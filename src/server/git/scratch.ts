/** A place to compute in without writing into a store. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * Runs work with a bare repository that reads all objects of `store` and has no references: what git
 * writes there goes with it when the work has ended.
 */
export async function withScratch<Result>(
  store: string,
  work: (scratch: string) => Promise<Result>,
): Promise<Result> {
  const scratch = await mkdtemp(join(tmpdir(), "omoi-scratch-"));
  try {
    await mkdir(join(scratch, "objects/info"), { recursive: true });
    await mkdir(join(scratch, "refs"));
    await writeFile(join(scratch, "HEAD"), "ref: refs/heads/none\n");
    await writeFile(
      join(scratch, "config"),
      "[core]\n\trepositoryformatversion = 0\n\tbare = true\n",
    );
    await writeFile(join(scratch, "objects/info/alternates"), `${join(store, "objects")}\n`);
    return await work(scratch);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
