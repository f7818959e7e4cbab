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
import { assertDotGitFile } from "./dot-git-files.js";
import { FolderHandle, pauses } from "../worktree/folder-handle.js";
import type { Layers } from "../worktree/folder-driver.js";
import type { Touched } from "../worktree/folder-change.js";
import { checkIgnored, type Ignored } from "./check-ignore.js";
import { assertPathBounds, NestedRepositoryError } from "./path-errors.js";
import type { GitOptions } from "../process/run.js";
import { displayPath } from "../worktree/safe-folder.js";
import { folderOf, type TreeEntry } from "../objects/tree-reader.js";

/**
 * The paths at which the folder and a tree, its parent's, may differ: what the upper layer has, and
 * where the tree differs from the lower layer (`sinceLayer`). What `.gitignore` names and the tree does
 * not have is left out. What is known without asking git for that comes first; git is at work on the rest
 * while the caller is on what came. `options` are those with which git is asked.
 * Throws a NestedRepositoryError for a repository in a folder that is not ignored, a PathTooLongError for
 * a folder that is too deep, a DotGitFileError, and a GitError.
 */
export async function* findOverlayChanges(
  folder: string,
  layers: Layers,
  sinceLayer: ReadonlyMap<string, TreeEntry | null>,
  options: GitOptions,
): AsyncGenerator<Touched, undefined> {
  const merged = FolderHandle.open(folder);
  const upper = FolderHandle.open(layers.upper);
  const lower = FolderHandle.open(layers.lower);
  let git: Ignored | undefined;
  try {
    const walk = new Walk(
      new Map(Array.from(sinceLayer, ([path, to]) => [path, to?.mode ?? GONE] as const)),
    );
    await walk.look("", merged, { upper, lower, isSame: true });
    for (;;) {
      const unknown = walk.takeUnknown();
      const asked =
        unknown.size > 0 ? (git ??= checkIgnored(options)).among([...unknown.keys()]) : null;
      asked?.catch(() => undefined);
      yield walk.takeFound();
      if (asked === null) return undefined;
      const ignored = await asked;
      for (const [path, entry] of unknown)
        if (!ignored.has(path)) await walk.take(path, entry, merged);
    }
  } finally {
    await git?.close();
    for (const handle of [merged, upper, lower]) handle.close();
  }
}

const GONE = "000000";
const GITLINK = "160000";

/** What is in a folder under a name. */
type Entry = Pick<Dirent, "name" | "isDirectory">;

/** What a folder has of some names, or all of it. */
function entriesOf(
  folder: FolderHandle | null,
  names: Iterable<string> | null,
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
  readonly #pause = pauses();
  #paths = new Set<string>();
  #gone: string[] = [];
  #unreadable: string[] = [];
  /** What git has to be asked about: neither tracked nor in the lower layer. */
  #unknown = new Map<string, Entry>();

  /** Of each path at which the tree differs from the lower layer, the mode that it has in the tree. */
  constructor(modes: ReadonlyMap<string, string>) {
    this.#modes = modes;
    for (const [path, mode] of modes) {
      // Where the tree has something of its own, the folder is asked whatever the layers say.
      if (mode !== GONE) this.#paths.add(path);
      let one = path;
      for (;;) {
        const folder = folderOf(one);
        const names = this.#inFolder.get(folder);
        if (names) names.add(one.slice(folder.length));
        else this.#inFolder.set(folder, new Set([one.slice(folder.length)]));
        if (folder === "") break;
        one = folder.slice(0, -1);
        // Folders above one that is known were entered with it.
        const marks = mode === GONE ? this.#differing : this.#tracked;
        if (marks.has(one)) break;
        marks.add(one);
        this.#differing.add(one);
      }
    }
  }

  /** What was found since it was last asked. */
  takeFound(): Touched {
    const found = { paths: this.#paths, gone: this.#gone, unreadable: this.#unreadable };
    this.#paths = new Set();
    this.#gone = [];
    this.#unreadable = [];
    return found;
  }

  /** What came up since it was last asked of which only git knows whether it is left out, by its path. */
  takeUnknown(): ReadonlyMap<string, Entry> {
    const unknown = this.#unknown;
    this.#unknown = new Map();
    return unknown;
  }

  /** Takes what is not left out. The lower layer has nothing of it: it is taken whole. */
  async take(path: string, entry: Entry, root: FolderHandle): Promise<void> {
    if (!entry.isDirectory()) {
      this.#paths.add(path);
      return;
    }
    assertPathBounds(path);
    const opened: FolderHandle[] = [];
    await this.#ifReadable(path, opened, async () => {
      for (const name of path.split("/")) {
        await this.#pause();
        const child = (opened.at(-1) ?? root).openChild(name);
        if (child === null) return;
        opened.push(child);
      }
      const folder = opened.at(-1) as FolderHandle;
      await this.look(`${path}/`, folder, { upper: null, lower: null, isSame: false });
    });
  }

  /** Looks at a folder and below. */
  async look(prefix: string, merged: FolderHandle, below: Below): Promise<void> {
    const { upper, lower, isSame } = below;
    const own = new Map((upper?.list() ?? []).map((entry) => [entry.name, entry]));
    const [before, now] = this.#looked(prefix, merged, lower, isSame ? own : null);
    if (before.size === 0 && this.#isSubmodule(prefix.slice(0, -1), lower)) return;
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
    // Before git is asked about anything here, for which it reads them.
    for (const { name } of touched) assertDotGitFile(prefix + name, () => merged.find(name));
    for (const entry of touched) {
      if (entry.name === ".git") continue;
      await this.#pause();
      const path = prefix + entry.name;
      if (!this.#isTracked(path, entry, before)) this.#unknown.set(path, entry);
      else if (!entry.isDirectory()) this.#paths.add(path);
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
    own: ReadonlyMap<string, Dirent> | null,
  ): [before: Map<string, Entry>, now: Map<string, Entry>] {
    const isMarked = own === null || [...own.keys()].some((name) => name.startsWith(".wh."));
    if (isMarked) return [entriesOf(lower, null), entriesOf(merged, null)];
    const others = [...(this.#inFolder.get(prefix) ?? [])].filter((name) => !own.has(name));
    // What the upper layer has the folder shows, but for the marks of what is gone.
    const [shown, marks] = [new Map<string, Entry>(), new Set(others)];
    for (const [name, entry] of own) {
      if (entry.isCharacterDevice()) marks.add(name);
      else shown.set(name, entry);
    }
    for (const [name, entry] of entriesOf(merged, marks)) shown.set(name, entry);
    // Where a file stands that the tree has, nothing of below is in the tree.
    const asked = [...own.keys(), ...others].filter((name) => {
      const mode = this.#modes.get(prefix + name) ?? GONE;
      return mode === GONE || shown.get(name)?.isDirectory() !== false;
    });
    const before = entriesOf(lower, asked);
    return [before, shown];
  }

  /** Whether git need not be asked, which asks about nothing that is tracked. */
  #isTracked(path: string, entry: Entry, before: ReadonlyMap<string, Entry>): boolean {
    const isFolder = entry.isDirectory();
    const isBelow = before.get(entry.name)?.isDirectory() === isFolder;
    const mode = this.#modes.get(path);
    if (isFolder) return isBelow || this.#tracked.has(path) || mode === GITLINK;
    return mode === undefined ? isBelow : mode !== GONE;
  }

  /** git makes an empty folder where another repository's commit stands, and nowhere else. */
  #isSubmodule(path: string, lower: FolderHandle | null): boolean {
    if (path === "" || this.#modes.has(path) || this.#tracked.has(path)) return false;
    return lower !== null && lower.list().length === 0;
  }

  async #enter(path: string, name: string, parent: FolderHandle, around: Below): Promise<void> {
    if (this.#modes.get(path) === GITLINK) return;
    assertPathBounds(path);
    const opened: FolderHandle[] = [];
    await this.#ifReadable(path, opened, async () => {
      const open = (folder: FolderHandle | null): FolderHandle | null => {
        const child = folder?.openChild(name) ?? null;
        if (child !== null) opened.push(child);
        return child;
      };
      const [lower, upper] = [open(around.lower), open(around.upper)];
      const merged = open(parent);
      if (merged === null) return;
      // Not below one that is taken whole: what stands there may be of another place.
      const isSame = around.isSame && lower?.stats().ino === merged.stats().ino;
      await this.look(`${path}/`, merged, { upper, lower, isSame });
    });
  }

  /** Goes into a folder, unless the server may not read it; closes what was opened for that. */
  async #ifReadable(
    path: string,
    opened: readonly FolderHandle[],
    enter: () => Promise<void>,
  ): Promise<void> {
    try {
      await enter();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EACCES") throw error;
      this.#unreadable.push(path);
    } finally {
      for (const handle of opened) handle.close();
    }
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
}
