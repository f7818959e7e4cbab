/** Updates the index of a checkout to a new tree. */
import { copyFile, link, rename, stat } from "node:fs/promises";
import { temporaryName } from "../files/atomic-directory.js";
import type { Edits } from "../objects/patch-tree.js";
import { git, spawnGit, ZERO_OID, type GitOptions, type GitProcess } from "../process/run.js";
import { encodeRecords, removeIndex, assertAllAccepted, writeTree } from "./update-index.js";

/** The tree of each index, by index file; saves a `git write-tree`. */
const indexTrees = new Map<string, { version: string; tree: string }>();
/** Maximum number of cached indexes. */
const INDEXES = 2000;

/** A version that changes with the file's content: git replaces the file by a rename. */
async function versionOf(path: string): Promise<string> {
  const { ino, size, mtimeNs } = await stat(path, { bigint: true });
  return `${ino} ${size} ${mtimeNs}`;
}

/** Returns the tree of an index. @throws GitError */
export async function readIndexTree(options: GitOptions & { indexFile: string }): Promise<string> {
  const known = indexTrees.get(options.indexFile);
  if (known !== undefined && known.version === (await versionOf(options.indexFile)))
    return known.tree;
  return writeTree(options);
}

async function keepTreeOf(indexFile: string, tree: string): Promise<void> {
  indexTrees.delete(indexFile);
  indexTrees.set(indexFile, { version: await versionOf(indexFile), tree });
  for (const oldest of indexTrees.keys()) {
    if (indexTrees.size <= INDEXES) break;
    indexTrees.delete(oldest);
  }
}

/**
 * A copy of an index that replaces the index on `finish`. Its git process starts at once and reads
 * the copy while other work goes on. Close it.
 */
export class NextIndex {
  readonly #indexFile: string;
  readonly #copy: string;
  readonly #options: GitOptions;
  readonly #git: GitProcess;

  private constructor(indexFile: string, copy: string, options: GitOptions) {
    this.#indexFile = indexFile;
    this.#copy = copy;
    this.#options = { ...options, indexFile: copy };
    const args = ["update-index", "-z", "--add", "--replace", "--index-info"];
    this.#git = spawnGit(args, { ...this.#options, stdin: "pipe" });
    this.#git.stdout.resume();
  }

  static async begin(indexFile: string, options: GitOptions): Promise<NextIndex> {
    const copy = temporaryName(indexFile, "next");
    await removeIndex(copy);
    await link(indexFile, copy).catch(() => copyFile(indexFile, copy));
    return new NextIndex(indexFile, copy, options);
  }

  /**
   * Applies the edits, after which the index contains `tree`. `refresh` updates the recorded file
   * times.
   * @throws UnsafePathError
   * @throws GitError; the index is unchanged after any error
   */
  async finish(tree: string, edits: Edits, refresh: boolean): Promise<void> {
    const records = [...edits].map(
      ([path, entry]) => `${entry?.mode ?? "0"} ${entry?.oid ?? ZERO_OID}\t${path}`,
    );
    this.#git.stdin?.end(encodeRecords(records));
    assertAllAccepted((await this.#git.done).stderr);
    // git compares touched files by content here, and stores nothing.
    const ended = { ...this.#options, okExitCodes: [0, 1] };
    if (refresh) await git(["update-index", "-q", "--refresh"], ended);
    else if (edits.size === 0) return;
    await rename(this.#copy, this.#indexFile);
    await keepTreeOf(this.#indexFile, tree);
  }

  /** Removes the copy if it was not renamed into place. */
  async close(): Promise<void> {
    this.#git.kill();
    await this.#git.done.catch(() => undefined);
    // rename(2) does nothing if both names are links to one file.
    await removeIndex(this.#copy);
  }
}
