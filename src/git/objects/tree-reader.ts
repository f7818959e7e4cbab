/** Looks up tree entries, many at once. */
import { setImmediate as turn } from "node:timers/promises";
import { recentCommit } from "./commit-reader.js";
import { readObjects } from "./object-reader.js";
import { git } from "../process/run.js";

/** The mode of a folder entry. */
export const FOLDER = "040000";

/** One entry of a tree: six octal digits and an object id. */
export interface TreeEntry {
  mode: string;
  oid: string;
}

/**
 * Returns the parent folder of a path with its trailing slash; empty at the top. git resolves
 * folders only by such a name.
 */
export function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/") + 1);
}

/** Returns a path and all its parent folders without the top: `a/b/c`, `a/b`, `a`. */
export function withAncestors(path: string): string[] {
  const paths = [path];
  for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1)) {
    paths.push(path.slice(0, at));
  }
  return paths;
}

/**
 * Recently read trees by id: consecutive checkpoints share almost all of them. Only ids named by a
 * tree of the repository are looked up here.
 */
const recent = new Map<string, ReadonlyMap<string, TreeEntry>>();
/** Maximum number of cached entries in total. */
const RECENT_ENTRIES = 100_000;
let recentEntries = 0;

/** Caches the entries of a tree that was read or written. */
export function cacheTree(oid: string, entries: ReadonlyMap<string, TreeEntry>): void {
  if (recent.has(oid)) return;
  recent.set(oid, entries);
  recentEntries += entries.size;
  for (const [oldest, { size }] of recent) {
    if (recentEntries <= RECENT_ENTRIES) break;
    recent.delete(oldest);
    recentEntries -= size;
  }
}

/** Entries of the differing folders that are compared within a limit. */
const MAX_COMPARED = 20_000;
/** Entries per turn of the event loop. */
const TURN = 4096;

/** The number of path components of a folder. */
function depthOf(folder: string): number {
  let depth = 0;
  for (let at = folder.indexOf("/"); at >= 0; at = folder.indexOf("/", at + 1)) depth += 1;
  return depth;
}

/** Folders of some trees, each read once. Paths are latin1 bytes. */
export class TreeReader {
  readonly #store: string;
  readonly #folders = new Map<string, ReadonlyMap<string, TreeEntry>>();

  constructor(repoPath: string) {
    this.#store = repoPath;
  }

  /**
   * Reads the folders that contain the paths, each in its tree (or commit), unless already read.
   * @throws GitError
   */
  async load(requests: readonly { tree: string; paths: Iterable<string> }[]): Promise<void> {
    const levels: Map<string, { tree: string; folder: string }>[] = [];
    for (const { tree, paths } of requests) {
      for (const path of paths) {
        // From the bottom up to a known folder: its parents are known too.
        for (let folder = folderOf(path); ; folder = folderOf(folder.slice(0, -1))) {
          const name = `${tree}:${folder}`;
          const level = (levels[depthOf(folder)] ??= new Map());
          if (this.#folders.has(name) || level.has(name)) break;
          level.set(name, { tree, folder });
          if (folder === "") break;
        }
      }
    }
    // From the top down by id: git would resolve each path from the top.
    for (const level of levels) if (level) await this.#loadLevel(level);
  }

  async #loadLevel(wanted: ReadonlyMap<string, { tree: string; folder: string }>): Promise<void> {
    const ids = new Map<string, string>();
    for (const [name, { tree, folder }] of wanted) {
      const entry = folder === "" ? null : this.find(tree, folder.slice(0, -1));
      if (folder === "") {
        const known = recent.has(tree) ? tree : recentCommit(tree)?.tree;
        ids.set(name, known ?? `${tree}^{tree}`);
      }
      if (entry?.mode === FOLDER) ids.set(name, entry.oid);
    }
    const byId = new Map<string, ReadonlyMap<string, TreeEntry>>();
    for (const id of ids.values()) {
      const known = recent.get(id);
      if (known) byId.set(id, known);
    }
    const asked = [...new Set(ids.values())].filter((id) => !byId.has(id));
    const found = await readObjects(this.#store, asked, "contents");
    for (const [at, id] of asked.entries()) {
      const object = found[at];
      if (object?.type !== "tree") continue;
      const entries = await parseTree(object.content ?? Buffer.alloc(0));
      byId.set(id, entries);
      cacheTree(object.oid, entries);
    }
    for (const name of wanted.keys()) {
      this.#folders.set(name, byId.get(ids.get(name) ?? "") ?? new Map());
    }
  }

  /**
   * Returns the paths of files, links and gitlinks at which two trees (or commits) differ, with the
   * entry in `to`; null for none. Reads only folders that differ.
   * @throws GitError
   */
  async differing(from: string, to: string): Promise<Map<string, TreeEntry | null>> {
    return (await this.differingUpTo(Infinity, from, to)) as Map<string, TreeEntry | null>;
  }

  /** Same as `differing`; null if more than `most` paths or folders differ, or they are large. */
  async differingUpTo(
    most: number,
    from: string,
    to: string,
  ): Promise<Map<string, TreeEntry | null> | null> {
    const differing = new Map<string, TreeEntry | null>();
    let [compared, paused] = [0, 0];
    for (let level = [""]; level.length > 0;) {
      if (level.length > most) return null;
      await this.load([from, to].map((tree) => ({ tree, paths: level })));
      const below: string[] = [];
      for (const folder of level) {
        const [before, after] = [this.folder(from, folder), this.folder(to, folder)];
        compared += before.size + after.size;
        if (most !== Infinity && compared > MAX_COMPARED) return null;
        if (compared - paused > TURN) {
          paused = compared;
          await turn();
        }
        for (const name of new Set([...before.keys(), ...after.keys()])) {
          const [old, current] = [before.get(name), after.get(name)];
          if (old?.oid === current?.oid && old?.mode === current?.mode) continue;
          if (old?.mode === FOLDER || current?.mode === FOLDER) below.push(`${folder}${name}/`);
          const isFile = current !== undefined && current.mode !== FOLDER;
          const wasFile = old !== undefined && old.mode !== FOLDER;
          if (isFile || wasFile) differing.set(folder + name, isFile ? current : null);
        }
        if (differing.size > most) return null;
      }
      level = below;
    }
    return differing;
  }

  /** The entries of a folder (path with trailing slash, empty for the top); empty if missing. */
  folder(tree: string, folder: string): ReadonlyMap<string, TreeEntry> {
    const found = this.#folders.get(`${tree}:${folder}`);
    if (found === undefined) throw new Error(`the folder ${JSON.stringify(folder)} was not read`);
    return found;
  }

  /** The entry at `path` in `tree`, including folders; null if missing. */
  find(tree: string, path: string): TreeEntry | null {
    const folder = folderOf(path);
    return this.folder(tree, folder).get(path.slice(folder.length)) ?? null;
  }

  /** The file, link or gitlink at `path` in `tree`, or null. */
  findFile(tree: string, path: string): TreeEntry | null {
    const entry = this.find(tree, path);
    return entry === null || entry.mode === FOLDER ? null : entry;
  }
}

/**
 * Lists the files below the tree `oid` by path. One process.
 * @throws GitError
 */
export async function listTree(repoPath: string, oid: string): Promise<Map<string, TreeEntry>> {
  const { stdout } = await git(["ls-tree", "-r", "-z", oid], {
    gitDir: repoPath,
    maxOutputBytes: 1024 * 1024 * 1024,
  });
  const files = new Map<string, TreeEntry>();
  for (const line of stdout.toString("latin1").split("\0")) {
    const tab = line.indexOf("\t");
    const [mode = "", , found = ""] = line.slice(0, Math.max(0, tab)).split(" ");
    if (tab > 0) files.set(line.slice(tab + 1), { mode, oid: found });
  }
  return files;
}

async function parseTree(bytes: Buffer): Promise<Map<string, TreeEntry>> {
  const entries = new Map<string, TreeEntry>();
  for (let at = 0; at < bytes.length;) {
    if (entries.size % TURN === TURN - 1) await turn();
    const space = bytes.indexOf(0x20, at);
    const end = bytes.indexOf(0, space);
    const mode = bytes.toString("latin1", at, space).padStart(6, "0");
    const oid = bytes.toString("hex", end + 1, end + 21);
    entries.set(bytes.toString("latin1", space + 1, end), { mode: canonicalMode(mode), oid });
    at = end + 21;
  }
  return entries;
}

/** Returns the mode that git reads: old trees have others, such as 100664. */
function canonicalMode(mode: string): string {
  if (!mode.startsWith("100") || mode === "100644" || mode === "100755") return mode;
  return Number.parseInt(mode, 8) & 0o100 ? "100755" : "100644";
}
