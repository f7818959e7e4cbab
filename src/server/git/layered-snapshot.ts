/**
 * Turning an overlay's folder into a tree, at the cost of what was changed: the layers say where to look
 * (touched-paths.ts), the parent's tree what was there before. No index is read or written.
 */
import { asideName } from "./build-aside.js";
import type { Layers } from "./folder.js";
import { countDiff, expectCount } from "./diff-counter.js";
import type { Snapshot, SnapshotInput } from "./ingest.js";
import { FileTooLargeError, MAX_FILE_BYTES } from "./path-errors.js";
import { looseObject, writeObject } from "./loose-object.js";
import { patchTree } from "./patch-tree.js";
import type { GitOptions } from "./run.js";
import { displayPath, SafeFolder } from "./safe-folder.js";
import { storeFile } from "./store-file.js";
import { findTouched, type Touched } from "./touched-paths.js";
import { TreeReader, type TreeEntry } from "./tree-reader.js";
import { assertAcceptable } from "./update-index.js";

const GITLINK = "160000";
/** How many objects are being written at a time. */
const WRITERS = 16;

/** As `snapshotFolder`, of a folder that has layers. */
export async function snapshotLayers(
  input: SnapshotInput & { parentTree: string },
  layers: Layers,
  options: GitOptions & { gitDir: string },
): Promise<Snapshot> {
  const { store, folder, parentTree } = input;
  const trees = new TreeReader(store);
  const sinceLayer = await trees.differing(layers.commit, parentTree);
  const safe = await SafeFolder.open(folder);
  const change = new Change(input, safe, trees, options);
  try {
    for await (const touched of findTouched(folder, layers, sinceLayer, options)) {
      await trees.load([{ tree: parentTree, paths: [...touched.paths, ...touched.gone] }]);
      await change.take(touched);
    }
    await change.written();
    return await treeOf(input, change, trees, options);
  } finally {
    // Nothing is at work any more when it ends.
    await change.written().catch(() => undefined);
    await safe.close();
  }
}

/** Writes the parent's tree with the change. */
async function treeOf(
  { store, parentTree, indexFile }: SnapshotInput & { parentTree: string },
  { edits, skipped }: Change,
  trees: TreeReader,
  options: GitOptions & { gitDir: string },
): Promise<Snapshot> {
  if (edits.size === 0) return { tree: parentTree, changed: false, skipped };
  const added = [...edits].flatMap(([path, entry]) =>
    entry === null || entry.mode === trees.findFile(parentTree, path)?.mode
      ? []
      : [{ path, ...entry }],
  );
  await assertAcceptable({ ...options, indexFile: asideName(indexFile, "next") }, added);
  const tree = await patchTree(store, parentTree, edits, trees);
  const stats = await countDiff(store, parentTree, tree);
  return { tree, changed: tree !== parentTree, stats, skipped };
}

/** What becomes of the parent's tree, as the folder is read. */
class Change {
  readonly edits = new Map<string, TreeEntry | null>();
  readonly skipped: Snapshot["skipped"] = [];
  readonly #input: SnapshotInput & { parentTree: string };
  readonly #safe: SafeFolder;
  readonly #trees: TreeReader;
  readonly #options: GitOptions;
  readonly #writing = new Set<Promise<unknown>>();

  constructor(
    input: SnapshotInput & { parentTree: string },
    safe: SafeFolder,
    trees: TreeReader,
    options: GitOptions,
  ) {
    this.#input = input;
    this.#safe = safe;
    this.#trees = trees;
    this.#options = options;
  }

  async take({ paths, gone, unreadable }: Touched): Promise<void> {
    for (const path of unreadable) this.#skip(path, "unreadable");
    for (const path of gone) this.#edit(path, null);
    for (const path of paths) {
      const found = await this.#safe.find(path);
      if (found.kind === "gone" || found.kind === "folder") {
        // The layers tell of more than there was; a folder stands for another repository's commit.
        if (found.kind === "gone" || !this.#isSubmodule(path)) this.#edit(path, null);
      } else if (found.kind === "file" || found.kind === "link") {
        await this.#takeContent(path, found.kind, found.stats.size);
      } else {
        this.#edit(path, null);
        this.#skip(path, found.kind);
      }
    }
  }

  /** Waits for the objects that are being written. Throws what went wrong with any. */
  async written(): Promise<void> {
    await Promise.all(this.#writing);
  }

  #skip(path: string, reason: Snapshot["skipped"][number]["reason"]): void {
    this.skipped.push({ path: displayPath(path), reason });
  }

  #edit(path: string, entry: TreeEntry | null): void {
    const before = this.#trees.findFile(this.#input.parentTree, path);
    if (before?.mode === entry?.mode && before?.oid === entry?.oid) return;
    if (this.edits.size === 0) {
      expectCount(this.#input.store);
      this.#input.onChanges?.();
    }
    this.edits.set(path, entry);
  }

  async #takeContent(path: string, kind: "file" | "link", size: number): Promise<void> {
    const { maxFileBytes = MAX_FILE_BYTES, store, scan } = this.#input;
    if (kind === "file" && size > maxFileBytes)
      throw new FileTooLargeError(displayPath(path), size);
    const link = kind === "link" ? await this.#safe.readLink(path) : null;
    const small =
      link === null ? await this.#safe.readSmall(path) : { bytes: link, isExecutable: false };
    if (small === null) return this.#takeLarge(path);
    const object = looseObject("blob", small.bytes);
    const mode = link === null ? fileMode(small.isExecutable) : "120000";
    if (this.#isBefore(path, object.oid)) return this.#edit(path, { mode, oid: object.oid });
    scan?.start(displayPath(path))(small.bytes);
    await this.#write(writeObject(store, object));
    this.#edit(path, { mode, oid: object.oid });
  }

  /** What is too large to be held, or cannot be read. */
  async #takeLarge(path: string): Promise<void> {
    const before = this.#trees.findFile(this.#input.parentTree, path);
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

  /** Whether the parent has that content there, which then need not be written once more. */
  #isBefore(path: string, oid: string): boolean {
    return this.#trees.findFile(this.#input.parentTree, path)?.oid === oid;
  }

  #isSubmodule(path: string): boolean {
    return this.#trees.findFile(this.#input.parentTree, path)?.mode === GITLINK;
  }

  /** Waits until there is room for another writer. */
  async #write(work: Promise<unknown>): Promise<void> {
    const writer: Promise<unknown> = work.then(() => this.#writing.delete(writer));
    writer.catch(() => undefined);
    this.#writing.add(writer);
    while (this.#writing.size >= WRITERS) await Promise.race(this.#writing);
  }
}

function fileMode(isExecutable: boolean): string {
  return isExecutable ? "100755" : "100644";
}
