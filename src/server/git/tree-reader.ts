/** Looking up single entries of trees, many at once. */
import { readObjects } from "./object-reader.js";
import { git } from "./run.js";

/** The mode of a folder's entry. */
export const FOLDER = "040000";

/** One entry of a tree: six octal digits and an object id. */
export interface TreeEntry {
  mode: string;
  oid: string;
}

/** The folder of a path with its slash; empty for the top. git finds only folders by such a name. */
export function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/") + 1);
}

/** A path and all the folders it is in, without the top: `a/b/c`, `a/b`, `a`. */
export function withAncestors(path: string): string[] {
  const paths = [path];
  for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1)) {
    paths.push(path.slice(0, at));
  }
  return paths;
}

/** Folders of some trees, each read once. Paths are bytes in latin1 strings. */
export class TreeReader {
  readonly #store: string;
  readonly #folders = new Map<string, Map<string, TreeEntry>>();

  constructor(store: string) {
    this.#store = store;
  }

  /**
   * Reads the folders that the paths are in, each of its tree (or commit), unless they were read
   * before. Throws a GitError.
   */
  async load(requests: readonly { tree: string; paths: Iterable<string> }[]): Promise<void> {
    const names = requests.flatMap(({ tree, paths }) =>
      [...new Set([...paths].map(folderOf))].map((folder) => `${tree}:${folder}`),
    );
    const wanted = [...new Set(names)].filter((name) => !this.#folders.has(name));
    const found = await readObjects(this.#store, wanted, "contents");
    for (const [at, name] of wanted.entries()) {
      const object = found[at];
      const isFolder = object?.type === "tree" && object.content !== null;
      this.#folders.set(name, isFolder ? parseTree(object.content as Buffer) : new Map());
    }
  }

  /** The entries of a folder (its path with the slash, empty for the top); empty if not there. */
  folder(tree: string, folder: string): ReadonlyMap<string, TreeEntry> {
    const found = this.#folders.get(`${tree}:${folder}`);
    if (found === undefined) throw new Error(`the folder ${JSON.stringify(folder)} was not read`);
    return found;
  }

  /** The entry at `path` in `tree`, a folder too; null where there is none. */
  find(tree: string, path: string): TreeEntry | null {
    const folder = folderOf(path);
    return this.folder(tree, folder).get(path.slice(folder.length)) ?? null;
  }

  /** The entry at `path` in `tree` if it is a file, a link or a gitlink; else null. */
  findFile(tree: string, path: string): TreeEntry | null {
    const entry = this.find(tree, path);
    return entry === null || entry.mode === FOLDER ? null : entry;
  }
}

/** The files below the tree `oid`, by their paths in it. One process. Throws a GitError. */
export async function listTree(store: string, oid: string): Promise<Map<string, TreeEntry>> {
  const { stdout } = await git(["ls-tree", "-r", "-z", oid], {
    gitDir: store,
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

function parseTree(bytes: Buffer): Map<string, TreeEntry> {
  const entries = new Map<string, TreeEntry>();
  for (let at = 0; at < bytes.length;) {
    const space = bytes.indexOf(0x20, at);
    const end = bytes.indexOf(0, space);
    const mode = bytes.toString("latin1", at, space).padStart(6, "0");
    const oid = bytes.toString("hex", end + 1, end + 21);
    entries.set(bytes.toString("latin1", space + 1, end), { mode, oid });
    at = end + 21;
  }
  return entries;
}
