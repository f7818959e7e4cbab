/**
 * Finding what of an overlay may differ from its lower layer, at the cost of what was changed. The
 * merged folder, which is what the agent sees, is walked beside the two layers, into those folders
 * only that the upper layer has: without one there, nothing below was touched.
 *
 * What is the case is read from the merged folder; the layers only say where not to look. No extended
 * attribute is needed, and none is believed: a folder of the upper layer that does not show the inode
 * of the lower one at its place is not that one any more (made anew, or renamed from elsewhere), and is
 * taken whole. Should a file system number inodes otherwise, this costs more, and nothing is missed.
 */
import type { Dirent } from "node:fs";
import { FolderHandle, pauses } from "./folder-handle.js";
import type { Layers } from "./folder.js";
import { askIgnored, type Ignored } from "./ignored.js";
import { NestedRepositoryError } from "./path-errors.js";
import type { GitOptions } from "./run.js";
import { displayPath } from "./safe-folder.js";
import { folderOf, withAncestors, type TreeEntry } from "./tree-reader.js";

/** What is to be looked at. Paths are bytes in latin1. */
export interface Touched {
  /** Where folder and tree may differ. */
  paths: string[];
  /** What the tree may have and the folder has not. */
  gone: string[];
  /** The places of other repositories' commits, for which a folder stands. */
  submodules: ReadonlySet<string>;
  /** Folders that the server may not read. */
  unreadable: string[];
}

/**
 * The paths at which the folder and a tree, its parent's, may differ: what the upper layer has, and
 * `sinceLayer`, where the tree differs from the lower layer. What `.gitignore` names and the tree does not
 * have is left out. `options` are those with which git is asked for that.
 * Throws a NestedRepositoryError for a repository in a folder that is not ignored, and a GitError.
 */
export async function findTouched(
  folder: string,
  layers: Layers,
  sinceLayer: Promise<ReadonlyMap<string, TreeEntry | null>>,
  options: GitOptions,
): Promise<Touched> {
  const merged = FolderHandle.open(folder);
  const upper = FolderHandle.open(layers.upper);
  const lower = FolderHandle.open(layers.lower);
  // Starting git takes as long as all else, and goes on beside it.
  let ignored = upper.list().length === 0 ? null : askIgnored(options);
  try {
    const modes = Array.from(await sinceLayer, ([path, to]) => [path, to?.mode ?? GONE] as const);
    const walk = new Walk(new Map(modes), () => (ignored ??= askIgnored(options)));
    await walk.look("", merged, { upper, lower, isSame: true });
    return walk.result();
  } finally {
    await ignored?.close();
    for (const handle of [merged, upper, lower]) handle.close();
  }
}

const GONE = "000000";
const GITLINK = "160000";

/** What is in a folder under a name. */
type Entry = Pick<Dirent, "name" | "isDirectory">;

/** What a folder has, by its name: all of it, or of some names. */
function entriesOf(
  folder: FolderHandle | null,
  names: ReadonlySet<string> | null,
): Map<string, Entry> {
  const entries = new Map<string, Entry>();
  if (folder === null) return entries;
  if (names === null) for (const entry of folder.list()) entries.set(entry.name, entry);
  for (const name of names ?? []) {
    const stats = folder.find(name);
    if (stats !== null) entries.set(name, { name, isDirectory: () => stats.isDirectory() });
  }
  return entries;
}

/** What the layers have at the place of a folder. */
interface Below {
  upper: FolderHandle | null;
  lower: FolderHandle | null;
  /** Whether the folder is the lower one, but for what the upper one has; else it is taken whole. */
  isSame: boolean;
}

class Walk {
  readonly #modes: ReadonlyMap<string, string>;
  /** The folders on the way to what the tree has and the lower layer has not. */
  readonly #tracked = new Set<string>();
  /** As `#tracked`, further to what the lower layer has and the tree has not. */
  readonly #differing = new Set<string>();
  /** The names in each folder (with its slash) of `#modes` and of the folders on the way there. */
  readonly #inFolder = new Map<string, Set<string>>();
  readonly #ask: () => Ignored;
  readonly #pause = pauses();
  readonly #paths: string[] = [];
  readonly #gone: string[] = [];
  readonly #unreadable: string[] = [];

  constructor(modes: ReadonlyMap<string, string>, ask: () => Ignored) {
    this.#modes = modes;
    this.#ask = ask;
    for (const [path, mode] of modes) {
      for (const one of withAncestors(path)) {
        const folder = folderOf(one);
        const names = this.#inFolder.get(folder) ?? new Set<string>();
        this.#inFolder.set(folder, names.add(one.slice(folder.length)));
      }
      for (let at = path.indexOf("/"); at > 0; at = path.indexOf("/", at + 1)) {
        this.#differing.add(path.slice(0, at));
        if (mode !== GONE) this.#tracked.add(path.slice(0, at));
      }
    }
  }

  /** Looks at a folder and below. */
  async look(prefix: string, merged: FolderHandle, below: Below): Promise<void> {
    const { upper, lower, isSame } = below;
    const own = new Set((upper?.list() ?? []).map(({ name }) => name));
    const [before, now] = this.#looked(prefix, merged, lower, isSame ? own : null);
    for (const [name, entry] of before) {
      const isFolder = entry.isDirectory();
      if (now.get(name)?.isDirectory() === isFolder) continue;
      await this.#leave(prefix + name, lower as FolderHandle, name, isFolder);
    }
    const touched = [...now.values()].filter(
      ({ name }) =>
        !isSame ||
        own.has(name) ||
        !before.has(name) ||
        this.#modes.has(prefix + name) ||
        this.#differing.has(prefix + name),
    );
    const isRepository = touched.some(({ name }) => name === ".git");
    // The root's own is the agent's business.
    if (isRepository && prefix !== "") {
      throw new NestedRepositoryError(displayPath(prefix.slice(0, -1)));
    }
    for (const entry of await this.#wanted(prefix, touched, before)) {
      await this.#pause();
      const path = prefix + entry.name;
      if (!entry.isDirectory()) this.#paths.push(path);
      else await this.#enter(path, entry.name, merged, below);
    }
  }

  /**
   * What the lower layer and the folder have, as far as the two may differ. Where that is what `own`, the
   * upper layer, has, the rest is not read: a folder of an overlay takes long to list.
   */
  #looked(
    prefix: string,
    merged: FolderHandle,
    lower: FolderHandle | null,
    own: ReadonlySet<string> | null,
  ): [before: Map<string, Entry>, now: Map<string, Entry>] {
    const isMarked = own === null || [...own].some((name) => name.startsWith(".wh."));
    const names = isMarked ? null : new Set([...own, ...(this.#inFolder.get(prefix) ?? [])]);
    return [entriesOf(lower, names), entriesOf(merged, names)];
  }

  /** What is tracked, or at least not ignored. */
  async #wanted(
    prefix: string,
    entries: readonly Entry[],
    before: ReadonlyMap<string, Entry>,
  ): Promise<Entry[]> {
    const isTracked = (entry: Entry): boolean => {
      const path = prefix + entry.name;
      const isFolder = entry.isDirectory();
      const isBelow = before.get(entry.name)?.isDirectory() === isFolder;
      if (isFolder) return isBelow || this.#tracked.has(path) || this.#modes.get(path) === GITLINK;
      const mode = this.#modes.get(path);
      return mode === undefined ? isBelow : mode !== GONE;
    };
    const all = entries.filter(({ name }) => name !== ".git");
    const unknown = all.filter((entry) => !isTracked(entry)).map(({ name }) => prefix + name);
    if (unknown.length === 0) return all;
    const ignored = await this.#ask().among(unknown);
    return all.filter(({ name }) => !ignored.has(prefix + name));
  }

  async #enter(path: string, name: string, parent: FolderHandle, around: Below): Promise<void> {
    const lower = around.lower?.openChild(name) ?? null;
    const upper = around.upper?.openChild(name) ?? null;
    let merged: FolderHandle | null = null;
    try {
      if (this.#isSubmodule(path, lower)) return;
      merged = parent.openChild(name);
      if (merged === null) return;
      // Not below one that is taken whole: what stands there may be of another place.
      const isSame = around.isSame && lower?.stats().ino === merged.stats().ino;
      await this.look(`${path}/`, merged, { upper, lower, isSame });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EACCES") throw error;
      this.#unreadable.push(path);
    } finally {
      for (const handle of [lower, upper, merged]) handle?.close();
    }
  }

  /** Where another repository's commit stands git makes an empty folder, and nowhere else. */
  #isSubmodule(path: string, lower: FolderHandle | null): boolean {
    const mode = this.#modes.get(path);
    return mode === undefined ? lower !== null && lower.list().length === 0 : mode === GITLINK;
  }

  /** What the lower layer has and the folder has not. */
  async #leave(path: string, parent: FolderHandle, name: string, isFolder: boolean): Promise<void> {
    await this.#pause();
    const folder = isFolder ? parent.openChild(name) : null;
    try {
      const entries = folder?.list() ?? [];
      for (const entry of entries) {
        const child = `${path}/${entry.name}`;
        await this.#leave(child, folder as FolderHandle, entry.name, entry.isDirectory());
      }
      if (entries.length === 0 && this.#modes.get(path) !== GONE) this.#gone.push(path);
    } finally {
      folder?.close();
    }
  }

  result(): Touched {
    const inTree = [...this.#modes].filter(([, mode]) => mode !== GONE);
    const submodules = new Set(inTree.filter(([, mode]) => mode === GITLINK).map(([path]) => path));
    // Where the tree has something of its own, the folder is asked whatever the layers say.
    const paths = new Set([...this.#paths, ...inTree.map(([path]) => path)]);
    return { paths: [...paths], gone: this.#gone, submodules, unreadable: this.#unreadable };
  }
}
