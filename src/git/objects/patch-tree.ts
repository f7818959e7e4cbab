/** Writes a modified tree by rewriting only the folders on the way to the edits. */
import { looseObject, writeObject, type LooseObject } from "./loose-object.js";
import { displayPath } from "../files/safe-folder.js";
import { FOLDER, folderOf, cacheTree, type TreeEntry, type TreeReader } from "./tree-reader.js";

/** Edits: path (latin1 bytes) → new entry, or null to remove a file. */
export type Edits = ReadonlyMap<string, TreeEntry | null>;

/** A file would replace a folder that is not empty, or a folder a file. */
export class TreeClashError extends Error {
  override readonly name = "TreeClashError";
  /** The path as display text. */
  readonly path: string;

  constructor(path: string) {
    super(`a file and a folder clash at ${JSON.stringify(displayPath(path))}`);
    this.path = displayPath(path);
  }
}

/**
 * Applies the edits to `tree`, writes the result and returns its id. The cost depends on the
 * folders above the edits, not on the size of the tree. Empty folders disappear. `onTree` is called
 * with the id before the result is written.
 * @throws TreeClashError if an edit needs the place of an entry that no other edit removed
 * @throws GitError
 */
export async function patchTree(
  repoPath: string,
  tree: string,
  edits: Edits,
  trees: TreeReader,
  onTree: (tree: string) => void = () => {},
): Promise<string> {
  await trees.load([{ tree, paths: [...edits.keys(), ""] }]);
  const byFolder = new Map<string, Map<string, TreeEntry | null>>();
  const subfolders = new Map<string, Set<string>>();
  for (const [path, entry] of edits) {
    let folder = folderOf(path);
    const inside = byFolder.get(folder) ?? new Map<string, TreeEntry | null>();
    byFolder.set(folder, inside.set(path.slice(folder.length), entry));
    while (folder !== "") {
      const parent = folderOf(folder.slice(0, -1));
      const name = folder.slice(parent.length, -1);
      const siblings = subfolders.get(parent) ?? new Set<string>();
      // The parents of a known folder are known too.
      if (siblings.has(name)) break;
      subfolders.set(parent, siblings.add(name));
      folder = parent;
    }
  }

  const written: { object: LooseObject; entries: ReadonlyMap<string, TreeEntry> }[] = [];
  const build = (folder: string): string | null => {
    const entries = new Map(trees.folder(tree, folder));
    const clash = (name: string): Error => new TreeClashError(folder + name);
    for (const name of subfolders.get(folder) ?? []) {
      const before = entries.get(name);
      const oid = build(`${folder}${name}/`);
      if (oid !== null) {
        const cleared = byFolder.get(folder)?.get(name) === null;
        if (before !== undefined && before.mode !== FOLDER && !cleared) throw clash(name);
        entries.set(name, { mode: FOLDER, oid });
      } else if (before?.mode === FOLDER) {
        entries.delete(name);
      }
    }
    for (const [name, entry] of byFolder.get(folder) ?? []) {
      const isFolder = entries.get(name)?.mode === FOLDER;
      if (entry !== null && isFolder) throw clash(name);
      if (entry !== null) entries.set(name, entry);
      else if (!isFolder) entries.delete(name);
    }
    if (entries.size === 0 && folder !== "") return null;
    return write(entries);
  };
  const write = (entries: ReadonlyMap<string, TreeEntry>): string => {
    const sorted = [...entries].sort(([leftName, left], [rightName, right]) =>
      sortKey(leftName, left) < sortKey(rightName, right) ? -1 : 1,
    );
    const object = treeObject(sorted);
    written.push({ object, entries: new Map(sorted) });
    return object.oid;
  };
  const root = build("") ?? "";
  onTree(root);
  await Promise.all(written.map(({ object }) => writeObject(repoPath, object)));
  for (const { object, entries } of written) cacheTree(object.oid, entries);
  return root;
}

/** git sorts a folder as if its name ended in a slash. Latin1 strings compare like their bytes. */
function sortKey(name: string, entry: TreeEntry): string {
  return entry.mode === FOLDER ? `${name}/` : name;
}

function treeObject(sorted: readonly (readonly [string, TreeEntry])[]): LooseObject {
  const parts = sorted.flatMap(([name, { mode, oid }]) => [
    Buffer.from(`${mode.replace(/^0/, "")} ${name}\0`, "latin1"),
    Buffer.from(oid, "hex"),
  ]);
  return looseObject("tree", Buffer.concat(parts));
}
