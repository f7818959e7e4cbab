/**
 * Limits for the tree of a commit. A few objects can reference each other so that they expand to
 * billions of files (a "git bomb"), which git expands when it reads a tree into an index, compares
 * or merges it. The count here sums over distinct trees and reads each once, so its cost depends on
 * the number of objects.
 */
import { setImmediate as turn } from "node:timers/promises";
import { readObjects } from "./object-reader.js";
import { MAX_PATH_BYTES, MAX_PATH_DEPTH } from "../files/path-errors.js";
import { FOLDER } from "./tree-reader.js";

/** The size of a fully expanded tree. */
interface TreeSize {
  /** Files, links, submodules and folders. */
  entries: number;
  folders: number;
  /** Total bytes of all files. */
  bytes: number;
  /** Total bytes of the paths of all entries except folders, as in an index. */
  indexBytes: number;
  /** Components of the deepest path. */
  depth: number;
  /** Bytes of the longest path. */
  pathBytes: number;
}

/** Limits of a fully expanded tree. */
export const TREE_LIMITS: TreeSize = {
  // An index entry takes at least 150 bytes of memory; the largest public monorepos have half as
  // many.
  entries: 1_000_000,
  // Each is an object that the check holds briefly.
  folders: 250_000,
  // The files of one checkout; an import may transfer 10 GiB by default.
  bytes: 16 * 2 ** 30,
  // git keeps the paths of an index in memory.
  indexBytes: 512 * 2 ** 20,
  depth: MAX_PATH_DEPTH,
  pathBytes: MAX_PATH_BYTES,
};

/** Maximum bytes of one tree object: a folder of about 200 000 entries. */
const MAX_OBJECT_BYTES = 8 * 2 ** 20;
/** Commits whose trees are counted together. */
const BATCH = 64;
/** Objects per request to git. */
const QUESTION = 1000;
/** Entries per turn of the event loop. */
const TURN = 4096;

const SENTENCES: Record<keyof TreeSize, (limit: string) => string> = {
  entries: (limit) => `a commit contains more than ${limit} files and folders`,
  folders: (limit) => `a commit contains more than ${limit} folders`,
  bytes: (limit) => `the files of a commit have more than ${limit} bytes`,
  indexBytes: (limit) => `the paths of a commit have more than ${limit} bytes`,
  depth: (limit) => `a path is deeper than ${limit} levels`,
  pathBytes: (limit) => `a path is longer than ${limit} bytes`,
};

/** A tree exceeds the limits; the message is a clause for users. */
export class TreeLimitError extends Error {
  override readonly name = "TreeLimitError";

  constructor(what: keyof TreeSize, limits: TreeSize) {
    super(SENTENCES[what](String(limits[what])));
  }
}

/**
 * A bounded cache by id, oldest first out. Objects are immutable and the same in every repository.
 */
class Newest<Value> {
  readonly #values = new Map<string, Value>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  get(oid: string): Value | undefined {
    return this.#values.get(oid);
  }

  set(oid: string, value: Value): void {
    this.#values.delete(oid);
    this.#values.set(oid, value);
    if (this.#values.size <= this.#most) return;
    for (const oldest of this.#values.keys()) {
      this.#values.delete(oldest);
      break;
    }
  }
}

const treeSizes = new Newest<TreeSize>(100_000);
const fileSizes = new Newest<number>(200_000);

/** A tree object by itself, before its folders are counted. */
interface Counted {
  own: TreeSize;
  folders: { oid: string; nameBytes: number }[];
}

/**
 * Checks the expanded trees of commits (or tags, or trees, by full ids); an object without a tree
 * counts nothing.
 * @throws TreeLimitError
 * @throws GitError
 */
export async function assertTreesWithin(
  repoPath: string,
  oids: readonly string[],
  limits: TreeSize = TREE_LIMITS,
): Promise<void> {
  for (let from = 0; from < oids.length; from += BATCH) {
    const roots = await treesOf(repoPath, oids.slice(from, from + BATCH));
    const trees = await readTrees(repoPath, roots, limits);
    for (const root of roots) requireWithin(sizeOf(root, trees, 1, limits), limits);
  }
}

/** Returns the trees of the objects that have one. */
async function treesOf(repoPath: string, oids: readonly string[]): Promise<string[]> {
  const named = await readObjects(repoPath, oids, "info");
  const names = oids.map((oid, at) => (named[at]?.type === "tree" ? oid : `${oid}^{tree}`));
  return (await readObjects(repoPath, names, "info")).flatMap((root) => root?.oid ?? []);
}

/** Trees read so far, and sizes of known trees. */
interface Trees {
  read: Map<string, Counted>;
  sizes: Map<string, TreeSize>;
}

/** Reads the trees that the roots reach and whose size is unknown, level by level. */
async function readTrees(
  repoPath: string,
  roots: readonly string[],
  limits: TreeSize,
): Promise<Trees> {
  const read = new Map<string, Counted>();
  const sizes = new Map<string, TreeSize>();
  const isNew = (oid: string): boolean => {
    const size = treeSizes.get(oid);
    if (size !== undefined) sizes.set(oid, size);
    return size === undefined && !read.has(oid);
  };
  let level = [...new Set(roots)].filter(isNew);
  for (let depth = 1; level.length > 0; depth += 1) {
    if (depth > limits.depth) throw new TreeLimitError("depth", limits);
    const below = new Set<string>();
    for await (const { oid, content } of objectsOf(repoPath, level, limits)) {
      const counted = await countEntries(repoPath, content);
      read.set(oid, counted);
      if (read.size > limits.folders) throw new TreeLimitError("folders", limits);
      for (const folder of counted.folders) below.add(folder.oid);
    }
    level = [...below].filter(isNew);
  }
  return { read, sizes };
}

/** Reads tree objects in small batches to limit memory. */
async function* objectsOf(
  repoPath: string,
  oids: readonly string[],
  limits: TreeSize,
): AsyncGenerator<{ oid: string; content: Buffer }> {
  for (let from = 0; from < oids.length; from += QUESTION) {
    const some = oids.slice(from, from + QUESTION);
    const found = await readObjects(repoPath, some, "info");
    for (let at = 0; at < some.length;) {
      const together: string[] = [];
      for (let bytes = 0; at < some.length; at += 1) {
        const size = found[at]?.size ?? 0;
        if (size > MAX_OBJECT_BYTES) throw new TreeLimitError("entries", limits);
        bytes += size;
        if (bytes > MAX_OBJECT_BYTES) break;
        together.push(some[at] as string);
      }
      for (const object of await readObjects(repoPath, together, "contents")) {
        if (object?.content) yield { oid: object.oid, content: object.content };
      }
    }
  }
}

/** Counts the entries of one tree object (gitformat: mode, space, name, NUL, 20 bytes of id). */
async function countEntries(repoPath: string, tree: Buffer): Promise<Counted> {
  const own = { entries: 0, folders: 1, bytes: 0, indexBytes: 0, depth: 0, pathBytes: 0 };
  const folders: Counted["folders"] = [];
  const files: string[] = [];
  for (let at = 0; at < tree.length;) {
    const space = tree.indexOf(0x20, at);
    const end = tree.indexOf(0, space);
    const mode = tree.toString("latin1", at, space).padStart(6, "0");
    const nameBytes = end - space - 1;
    const oid = tree.toString("hex", end + 1, end + 21);
    at = end + 21;
    own.entries += 1;
    own.depth = 1;
    own.pathBytes = Math.max(own.pathBytes, nameBytes);
    if (mode === FOLDER) {
      folders.push({ oid, nameBytes });
    } else {
      own.indexBytes += nameBytes;
      const isSubmodule = mode === "160000";
      if (!isSubmodule) files.push(oid);
    }
    if (own.entries % TURN === 0) await turn();
  }
  own.bytes = await bytesOf(repoPath, files);
  return { own, folders };
}

/** Total bytes of the files, counting each mention. */
async function bytesOf(repoPath: string, oids: readonly string[]): Promise<number> {
  const unknown = [...new Set(oids)].filter((oid) => fileSizes.get(oid) === undefined);
  const sizes = new Map<string, number>();
  for (let from = 0; from < unknown.length; from += QUESTION) {
    const some = unknown.slice(from, from + QUESTION);
    for (const [index, found] of (await readObjects(repoPath, some, "info")).entries()) {
      const oid = some[index] as string;
      sizes.set(oid, found?.size ?? 0);
      if (found) fileSizes.set(oid, found.size);
    }
  }
  return oids.reduce((sum, oid) => sum + (sizes.get(oid) ?? fileSizes.get(oid) ?? 0), 0);
}

/** Sums up a tree; `depth` is the depth of its entries. */
function sizeOf(oid: string, trees: Trees, depth: number, limits: TreeSize): TreeSize {
  const known = trees.sizes.get(oid);
  if (known !== undefined) return known;
  if (depth > limits.depth) throw new TreeLimitError("depth", limits);
  const counted = trees.read.get(oid);
  if (counted === undefined) throw new Error(`the tree ${oid} was not read`);
  const size = { ...counted.own };
  for (const folder of counted.folders) {
    const below = sizeOf(folder.oid, trees, depth + 1, limits);
    const prefix = folder.nameBytes + 1;
    size.entries += below.entries;
    size.folders += below.folders;
    size.bytes += below.bytes;
    size.indexBytes += below.indexBytes + (below.entries - below.folders + 1) * prefix;
    size.depth = Math.max(size.depth, below.depth + 1);
    size.pathBytes = Math.max(size.pathBytes, below.pathBytes + prefix);
  }
  // A tree above the limits puts every tree that contains it above the limits.
  requireWithin(size, limits);
  trees.sizes.set(oid, size);
  treeSizes.set(oid, size);
  return size;
}

function requireWithin(size: TreeSize, limits: TreeSize): void {
  for (const what of Object.keys(limits) as (keyof TreeSize)[]) {
    if (size[what] > limits[what]) throw new TreeLimitError(what, limits);
  }
}
