/**
 * Computes the changes of a folder relative to a tree. The folder is untrusted: each file is read
 * through a SafeFolder and stored by the server itself, since git opens files by path and follows a
 * folder that is swapped for a symbolic link.
 */
import { temporaryName } from "../files/atomic-directory.js";
import { warmUpDiffCounter } from "../diff/diff-counter.js";
import { assertDotGitFile } from "../snapshot/dot-git-files.js";
import type { SnapshotAttempt, Snapshot } from "../snapshot/snapshot.js";
import { looseObject, writeObject } from "../objects/loose-object.js";
import { FileTooLargeError, FolderTooLargeError, MAX_FILE_BYTES } from "../files/path-errors.js";
import { patchTree } from "../objects/patch-tree.js";
import type { GitOptions } from "../process/run.js";
import { displayPath, SafeFolder } from "../files/safe-folder.js";
import { storeFile } from "../objects/store-file.js";
import { TREE_LIMITS } from "../objects/tree-limits.js";
import type { TreeEntry, TreeReader } from "../objects/tree-reader.js";
import { assertPathsAccepted } from "../snapshot/update-index.js";

const GITLINK = "160000";
/** Objects of up to 256 KiB that are written at once. */
const MAX_WRITES = 16;

/** Candidate differences between a folder and a tree. Paths are latin1 bytes. */
export interface CandidatePaths {
  /** Paths to compare. */
  paths: Iterable<string>;
  /** Paths that the tree may have and the folder lacks. */
  gone: readonly string[];
  /** Folders that the server cannot read. */
  unreadable: readonly string[];
}

/** Accumulates the changes to the tree `baseTree`. Close it. */
export class FolderChange {
  readonly edits = new Map<string, TreeEntry | null>();
  readonly skipped: Snapshot["skipped"] = [];
  readonly #input: SnapshotAttempt;
  readonly #baseTree: string;
  readonly #safe: SafeFolder;
  readonly #trees: TreeReader;
  readonly #options: GitOptions & { gitDir: string };
  #bytes = 0;
  /** Writes of objects that have not ended, at most `MAX_WRITES`. */
  readonly #writes = new Set<Promise<unknown>>();
  /** The first error of a write. */
  #failure: { error: unknown } | null = null;

  private constructor(
    input: SnapshotAttempt,
    baseTree: string,
    safe: SafeFolder,
    trees: TreeReader,
    options: GitOptions & { gitDir: string },
  ) {
    this.#input = input;
    this.#baseTree = baseTree;
    this.#safe = safe;
    this.#trees = trees;
    this.#options = options;
  }

  /**
   * Opens the folder for a comparison with `baseTree`; `options` configure the git that stores
   * large files.
   */
  static async open(
    input: SnapshotAttempt,
    baseTree: string,
    trees: TreeReader,
    options: GitOptions & { gitDir: string },
  ): Promise<FolderChange> {
    const safe = await SafeFolder.open(input.folder);
    return new FolderChange(input, baseTree, safe, trees, options);
  }

  /** Closes the folder, after all writes. */
  async close(): Promise<void> {
    await Promise.all(this.#writes);
    await this.#safe.close();
  }

  /** Reads the paths and stores the changes. @throws PathError; GitError */
  async take({ paths, gone, unreadable }: CandidatePaths): Promise<void> {
    await this.#trees.load([{ tree: this.#baseTree, paths: [...paths, ...gone] }]);
    for (const path of unreadable) this.#skip(path, "unreadable");
    for (const path of gone) this.#edit(path, null);
    for (const path of paths) {
      const found = await this.#safe.find(path);
      assertDotGitFile(path, () => (found.kind === "gone" ? null : found.stats));
      if (found.kind === "gone" || found.kind === "folder") {
        // The layers may report too much; the folder of a submodule counts as its commit.
        if (found.kind === "gone" || !this.#isSubmodule(path)) this.#edit(path, null);
      } else if (found.kind === "file" || found.kind === "link") {
        await this.#takeContent(path, found.kind, found.stats.size);
      } else {
        this.#edit(path, null);
        this.#skip(path, found.kind);
      }
    }
  }

  /**
   * Writes the resulting tree. `onTree` is called with its id before everything is written.
   * @throws UnsafePathError; GitError
   */
  async writeTree(onTree?: (tree: string) => void): Promise<string> {
    if (this.edits.size === 0) return this.#baseTree;
    const added = [...this.edits].flatMap(([path, entry]) =>
      entry === null || entry.mode === this.#before(path)?.mode ? [] : [{ path, ...entry }],
    );
    const indexFile = temporaryName(this.#input.indexFile, "names");
    await assertPathsAccepted({ ...this.#options, indexFile }, added);
    const { repoPath } = this.#input;
    const tree = await patchTree(repoPath, this.#baseTree, this.edits, this.#trees, onTree);
    await Promise.all(this.#writes);
    this.#throwFailure();
    return tree;
  }

  #before(path: string): TreeEntry | null {
    return this.#trees.findFile(this.#baseTree, path);
  }

  #skip(path: string, reason: Snapshot["skipped"][number]["reason"]): void {
    this.skipped.push({ path: displayPath(path), reason });
  }

  #edit(path: string, entry: TreeEntry | null): void {
    const before = this.#before(path);
    if (before?.mode === entry?.mode && before?.oid === entry?.oid) return;
    if (this.edits.size === 0) {
      warmUpDiffCounter(this.#input.repoPath);
      this.#input.onChanges?.();
    }
    this.edits.set(path, entry);
    if (this.edits.size > TREE_LIMITS.entries) throw new FolderTooLargeError(displayPath(path));
  }

  async #takeContent(path: string, kind: "file" | "link", size: number): Promise<void> {
    const { maxFileBytes = MAX_FILE_BYTES, repoPath, scan } = this.#input;
    if (kind === "file" && size > maxFileBytes)
      throw new FileTooLargeError(displayPath(path), size);
    this.#bytes += size;
    if (this.#bytes > TREE_LIMITS.bytes) throw new FolderTooLargeError(displayPath(path));
    const link = kind === "link" ? await this.#safe.readLink(path) : null;
    const small =
      link === null ? await this.#safe.readSmall(path) : { bytes: link, isExecutable: false };
    if (small === null) return this.#takeLarge(path);
    const object = looseObject("blob", small.bytes);
    const mode = link === null ? fileMode(small.isExecutable) : "120000";
    if (this.#isBefore(path, object.oid)) return this.#edit(path, { mode, oid: object.oid });
    scan?.start(displayPath(path))(small.bytes);
    if (this.#writes.size >= MAX_WRITES) await Promise.race(this.#writes);
    this.#throwFailure();
    this.#write(writeObject(repoPath, object));
    this.#edit(path, { mode, oid: object.oid });
  }

  /** Lets an object be written while the next files are read. */
  #write(writing: Promise<unknown>): void {
    const ended = writing
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#writes.delete(ended));
    this.#writes.add(ended);
  }

  #throwFailure(): void {
    if (this.#failure) throw this.#failure.error;
  }

  /** Handles a file that is too large to buffer, or unreadable. */
  async #takeLarge(path: string): Promise<void> {
    const before = this.#before(path);
    const same = before === null ? null : await this.#safe.fileId(path);
    if (same !== null && same.oid === before?.oid) {
      this.#edit(path, { mode: fileMode(same.isExecutable), oid: same.oid });
      return;
    }
    const read = this.#input.scan?.start(displayPath(path));
    const stored = await storeFile(this.#safe, this.#options, path, read);
    if (stored === null) this.#skip(path, "unreadable");
    else this.#edit(path, { mode: fileMode(stored.isExecutable), oid: stored.oid });
  }

  /** Whether the parent has this content at the path, so that it need not be written. */
  #isBefore(path: string, oid: string): boolean {
    return this.#before(path)?.oid === oid;
  }

  #isSubmodule(path: string): boolean {
    return this.#before(path)?.mode === GITLINK;
  }
}

function fileMode(isExecutable: boolean): string {
  return isExecutable ? "100755" : "100644";
}
