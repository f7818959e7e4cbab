import type { Dirent } from "node:fs";
import { assertDotGitFile } from "./dot-git-files.js";
import { type FolderHandle, pauses } from "../worktree/folder-handle.js";
import type { CandidatePaths } from "../worktree/folder-change.js";
import { assertPathBounds, NestedRepositoryError } from "../files/path-errors.js";
import { displayPath } from "../files/safe-folder.js";
import { folderOf } from "../objects/tree-reader.js";

/** The mode of a path that the tree lacks. */
export const GONE = "000000";
const GITLINK = "160000";

/** A directory entry. */
type Entry = Pick<Dirent, "name" | "isDirectory">;

/** Returns the entries with the given names, or all of them. */
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

/** The layers at the position of a folder. */
interface Below {
  upper: FolderHandle | null;
  lower: FolderHandle | null;
  /**
   * Whether the folder is the lower one plus changes of the upper one; otherwise it is read
   * completely.
   */
  isSame: boolean;
}

/** Walks the merged folder of an overlay beside its layers and collects the paths that may differ. */
export class OverlayWalk {
  readonly #modes: ReadonlyMap<string, string>;
  /** The folders above entries that only the tree has. */
  readonly #tracked = new Set<string>();
  /** Like `#tracked`, including folders above entries that only the lower layer has. */
  readonly #differing = new Set<string>();
  /** The names in each folder (with slash) from `#modes`, including the folders above. */
  readonly #inFolder = new Map<string, Set<string>>();
  readonly #pause = pauses();
  #paths = new Set<string>();
  #gone: string[] = [];
  #unreadable: string[] = [];
  /** Paths that need an ignore check: neither tracked nor in the lower layer. */
  #unknown = new Map<string, Entry>();

  /**
   * @param modes the paths at which the tree differs from the lower layer, with their mode in the
   *   tree
   */
  constructor(modes: ReadonlyMap<string, string>) {
    this.#modes = modes;
    for (const [path, mode] of modes) {
      // An entry of the tree alone is always compared.
      if (mode !== GONE) this.#paths.add(path);
      let parent = path;
      for (;;) {
        const folder = folderOf(parent);
        const names = this.#inFolder.get(folder);
        if (names) names.add(parent.slice(folder.length));
        else this.#inFolder.set(folder, new Set([parent.slice(folder.length)]));
        if (folder === "") break;
        parent = folder.slice(0, -1);
        // The parents of a known folder are known too.
        const marks = mode === GONE ? this.#differing : this.#tracked;
        if (marks.has(parent)) break;
        marks.add(parent);
        this.#differing.add(parent);
      }
    }
  }

  /** Returns and clears the changes found so far. */
  takeFound(): CandidatePaths {
    const found = { paths: this.#paths, gone: this.#gone, unreadable: this.#unreadable };
    this.#paths = new Set();
    this.#gone = [];
    this.#unreadable = [];
    return found;
  }

  /** Returns and clears the paths that need an ignore check. */
  takeUnknown(): ReadonlyMap<string, Entry> {
    const unknown = this.#unknown;
    this.#unknown = new Map();
    return unknown;
  }

  /** Reads a path that is not ignored; the lower layer has nothing there. */
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
      await this.visit(`${path}/`, folder, { upper: null, lower: null, isSame: false });
    });
  }

  /** Walks a folder and its subfolders. */
  async visit(prefix: string, merged: FolderHandle, below: Below): Promise<void> {
    const { upper, lower, isSame } = below;
    const own = new Map((upper?.list() ?? []).map((entry) => [entry.name, entry]));
    const [before, now] = this.#candidateEntries(prefix, merged, lower, isSame ? own : null);
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
    // The agent may have its own repository at the top.
    if (isRepository && prefix !== "") {
      throw new NestedRepositoryError(displayPath(prefix.slice(0, -1)));
    }
    // Before git reads these files for an ignore check.
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
   * Returns the entries of the lower layer and of the folder that may differ. If `own`, the entries
   * of the upper layer, suffice, the rest is not read: listing an overlay folder is slow.
   */
  #candidateEntries(
    prefix: string,
    merged: FolderHandle,
    lower: FolderHandle | null,
    own: ReadonlyMap<string, Dirent> | null,
  ): [before: Map<string, Entry>, now: Map<string, Entry>] {
    const isMarked = own === null || [...own.keys()].some((name) => name.startsWith(".wh."));
    if (isMarked) return [entriesOf(lower, null), entriesOf(merged, null)];
    const others = [...(this.#inFolder.get(prefix) ?? [])].filter((name) => !own.has(name));
    // The merged folder shows all upper entries except whiteouts.
    const [visible, marks] = [new Map<string, Entry>(), new Set(others)];
    for (const [name, entry] of own) {
      if (entry.isCharacterDevice()) marks.add(name);
      else visible.set(name, entry);
    }
    for (const [name, entry] of entriesOf(merged, marks)) visible.set(name, entry);
    // Below a path that is a file in the tree, the tree has nothing.
    const names = [...own.keys(), ...others].filter((name) => {
      const mode = this.#modes.get(prefix + name) ?? GONE;
      return mode === GONE || visible.get(name)?.isDirectory() !== false;
    });
    const before = entriesOf(lower, names);
    return [before, visible];
  }

  /** Whether the path is tracked, so that no ignore check is needed. */
  #isTracked(path: string, entry: Entry, before: ReadonlyMap<string, Entry>): boolean {
    const isFolder = entry.isDirectory();
    const isBelow = before.get(entry.name)?.isDirectory() === isFolder;
    const mode = this.#modes.get(path);
    if (isFolder) return isBelow || this.#tracked.has(path) || mode === GITLINK;
    return mode === undefined ? isBelow : mode !== GONE;
  }

  /** git creates an empty folder for a submodule, and nowhere else. */
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
      // Inside a folder that is read completely, the lower layer may be from another place.
      const isSame = around.isSame && lower?.stats().ino === merged.stats().ino;
      await this.visit(`${path}/`, merged, { upper, lower, isSame });
    });
  }

  /** Enters a folder unless the server cannot read it; closes the handles opened for it. */
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

  /** Records entries of the lower layer that the folder lacks. */
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
