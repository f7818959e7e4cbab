/** Creates, removes and borrows bare repositories, and validates names before they reach git. */
import { writeFile, rename, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { git } from "../process/run.js";
import { temporaryName, exists, removeLeftovers, removeTree } from "../files/atomic-directory.js";

/** Old, harmless faults in existing histories (git-fsck(1)), which are accepted. */
export const HARMLESS_FAULTS = ["missingSpaceBeforeDate", "badTimezone", "zeroPaddedFilemode"];
const IGNORED = HARMLESS_FAULTS.map((fault) => `\t${fault} = ignore\n`).join("");

/**
 * The complete config of a repository. Written only by the server; no data of an agent or upstream
 * ends up in it.
 */
const CONFIG = `[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = true
\tlogAllRefUpdates = false
[gc]
\tauto = 0
[maintenance]
\tauto = false
[transfer]
\tfsckObjects = true
[receive]
\tfsckObjects = true
\tdenyNonFastForwards = true
\tdenyDeletes = true
\tautogc = false
[fetch]
\tfsckObjects = true
\tunpackLimit = 1
[receive "fsck"]
${IGNORED}[fetch "fsck"]
${IGNORED}`;

/** Creates an empty bare repository at `path` (absolute, missing or empty). */
export async function initBare(path: string, branch: string): Promise<void> {
  await git(["init", "--quiet", "--bare", "--template=", `--initial-branch=${branch}`, path]);
  await writeFile(join(path, "config"), CONFIG);
}

/** Tells whether `ref` is a valid full reference name (`refs/…`). */
export function isRefName(ref: string): boolean {
  return (
    /^refs\/[^\u0000-\u0020~^:?*[\\\u007f]+$/.test(ref) &&
    !/\.\.|@\{|\/\/|\/\.|\.lock(?:\/|$)|[./]$/.test(ref)
  );
}

/**
 * Checks that `ref` is a full reference name.
 * @throws TypeError
 */
export function assertRefName(ref: string): void {
  if (!isRefName(ref))
    throw new TypeError(`not a git ref name: ${JSON.stringify(ref.slice(0, 80))}`);
}

/** Removes a repository; it disappears atomically. A missing one is not an error. */
export async function removeRepository(repoPath: string): Promise<void> {
  if (await exists(repoPath)) {
    const aside = temporaryName(repoPath, "removing");
    await removeTree(aside);
    await rename(repoPath, aside);
    await removeTree(aside);
  }
  await removeLeftovers(repoPath, "removing");
  await removeLeftovers(repoPath, "creating");
  await removeLeftovers(repoPath, "fetching");
}

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
