/** Folders of agents: plain files of one commit, made whole, moved and removed. */
import { lstat, mkdir, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { assertOid } from "../store/bare-repository.js";
import {
  temporaryName,
  createDirectoryAtomically,
  exists,
  flushToDisk,
  removeLeftovers,
  removeTree,
} from "./atomic-directory.js";
import { measureTree } from "./disk-usage.js";
import { guardDotGitFiles } from "../snapshot/dot-git-files.js";
import type { Owner } from "./folder-handle.js";
import { chownTree } from "./chown-tree.js";
import { git, GitError } from "../process/run.js";
import { removeIndex } from "../snapshot/update-index.js";

/** Where a folder and what belongs to it lie. All paths are absolute. */
export interface FolderPlaces {
  /** The bare repository that its files come from. */
  repoPath: string;
  /** What the agent sees. */
  folder: string;
  /** The server's index of it, where the agent cannot write. */
  indexFile: string;
  /** The folder of what an overlay is made of; there is none for a checkout. */
  overlay: string;
  /** The folder of the lower layers that the project's overlays share. */
  lowers: string;
}

type Checkout = Pick<FolderPlaces, "repoPath" | "folder" | "indexFile">;

/** What an overlay's folder is put together from. */
export interface Layers {
  /** What was changed, and the folders on the way to it. */
  upper: string;
  /** The files of `commit`, which never change. */
  lower: string;
  commit: string;
}

/** How a folder is made: mounted by the kernel, by a process of its own, or written file by file. */
export type FolderKind = "overlay" | "fuse-overlayfs" | "checkout";

/** Makes and removes folders of agents. */
export interface FolderDriver {
  /** How it makes folders. */
  readonly name: FolderKind;
  /**
   * Makes `folder` with the files of `commit` and `indexFile` describing them. The folder appears
   * whole; what is there already is replaced. Answers how it was made. Throws a GitError (bad commit) or
   * what the system says (no space), and then leaves nothing.
   */
  create(input: FolderPlaces & { commit: string }): Promise<FolderKind>;
  /**
   * Removes all that belongs to the folder; nothing there is no error. No process of the agent may be
   * alive.
   */
  remove(places: FolderPlaces): Promise<void>;
  /**
   * Has the folder be where the agent and the server look for it, and tells its layers; null for one
   * that has none. To be called before a folder is read or written, by whoever works on it alone.
   * Throws a MountError, having changed nothing.
   */
  open(places: FolderPlaces): Promise<Layers | null>;
  /**
   * Gives the whole folder to whom the agent's commands run as, before they do. Throws what the system
   * says, EPERM where the server may not give files away, ENOENT without a folder. No process of the
   * agent may be alive.
   */
  giveTo(places: FolderPlaces, owner: Owner): Promise<void>;
  /** Whether `giveTo` may give this folder to a user that the files below it do not belong to. */
  canChangeOwner(places: FolderPlaces): Promise<boolean>;
  /** The bytes on the disk that the folder alone takes up; 0 where there is none. */
  measure(places: FolderPlaces): Promise<number>;
}

/** A folder has unsaved work that moving it to another commit would destroy; nothing was changed. */
export class UnsavedChangesError extends Error {
  override readonly name = "UnsavedChangesError";
  /** One of the paths, or an empty string where git named none. */
  readonly path: string;

  constructor(path: string) {
    super(`the folder has unsaved changes in ${JSON.stringify(path)}`);
    this.path = path;
  }
}

/** The folder is missing, or something else (a symbolic link, a file) is in its place. */
export class FolderMissingError extends Error {
  override readonly name = "FolderMissingError";

  constructor() {
    super("the folder is missing or is no folder");
  }
}

/** Throws a FolderMissingError unless `folder` is a real folder. */
export async function assertFolder(folder: string): Promise<void> {
  const stats = await lstat(folder).catch(() => null);
  if (stats === null || !stats.isDirectory()) throw new FolderMissingError();
}

/** Of files in layers, links and being given away change stat data that says nothing of the content. */
export const LAYERED = [
  ["core.trustCtime", "false"],
  ["core.checkStat", "minimal"],
] as const;
/** How git writes many files. */
export const CHECKOUT = [["checkout.workers", "2"]] as const;

/**
 * Plain files written by git from the store. The folder holds no `.git`: its index lives outside,
 * owned by the server, and stays valid when the finished folder is renamed into place.
 */
export const checkoutDriver = {
  name: "checkout",

  async create({
    repoPath,
    commit,
    folder,
    indexFile,
  }: Checkout & { commit: string }): Promise<FolderKind> {
    assertOid(commit);
    await mkdir(dirname(indexFile), { recursive: true });
    await removeLeftovers(indexFile, "creating");
    await removeLeftovers(folder, "removing");
    const newIndex = temporaryName(indexFile, "creating");
    let old: string | null = null;
    try {
      await createDirectoryAtomically(folder, async (aside) => {
        await git(["read-tree", "--reset", "-u", commit], {
          gitDir: repoPath,
          workTree: aside,
          indexFile: newIndex,
          config: CHECKOUT,
          timeoutMs: 10 * 60_000,
        });
        // Files that are lost would look like what the agent did.
        await flushToDisk(aside);
        old = await moveAway(folder);
        await rename(newIndex, indexFile);
      });
    } finally {
      await removeTree(newIndex);
      if (old !== null) await removeTree(old);
    }
    return "checkout";
  },

  remove: removeFolder,

  open: async () => null,

  giveTo: ({ folder }: Checkout, owner: Owner) => chownTree(folder, owner),

  canChangeOwner: async () => true,

  measure: ({ folder }: Checkout) => measureTree(folder),
} as const satisfies FolderDriver;

/** Removes a folder of plain files and its index, and what was cut off beside them. */
export async function removeFolder({
  folder,
  indexFile,
}: Omit<Checkout, "repoPath">): Promise<void> {
  const old = await moveAway(folder);
  await removeIndex(indexFile);
  if (old !== null) await removeTree(old);
  await removeLeftovers(folder, "removing");
  await removeLeftovers(folder, "creating");
  await removeLeftovers(indexFile, "creating");
  await removeIndex(temporaryName(indexFile, "next"));
  await removeIndex(temporaryName(indexFile, "names"));
}

/** Renames `folder`, so that it is gone at once; answers the new name, null where nothing is. */
async function moveAway(folder: string): Promise<string | null> {
  if (!(await exists(folder))) return null;
  const away = temporaryName(folder, "removing");
  await removeTree(away);
  await rename(folder, away);
  return away;
}

/** How a folder is moved from one commit to another. */
interface Move {
  fromCommit: string;
  toCommit: string;
  force?: boolean;
  /** As the driver's `open`; not needed for a checkout. */
  open?: () => Promise<Layers | null>;
}

/**
 * Moves a folder from one commit to another: files that differ between the two are rewritten,
 * others, changed or untracked, are left alone. Throws an UnsavedChangesError, having changed
 * nothing, where unsaved work would be lost (what `.gitignore` names is not work), and a
 * FolderMissingError or a DotGitFileError.
 *
 * With `force` every tracked file is made that of `toCommit`, unsaved work included: to finish a
 * move that was cut off.
 *
 * git writes through the folder's path here: no process of the agent may be alive, since it could
 * put a symbolic link in the place of a folder between git's look and its write.
 */
export async function syncFolder(input: Checkout & Move): Promise<void> {
  assertOid(input.fromCommit);
  assertOid(input.toCommit);
  const layers = (await input.open?.()) ?? null;
  await assertFolder(input.folder);
  await guardDotGitFiles(input.folder, undefined, (signal) => moveFolder(input, layers, signal));
}

async function moveFolder(
  { repoPath, folder, indexFile, fromCommit, toCommit, force = false }: Checkout & Move,
  layers: Layers | null,
  signal: AbortSignal,
): Promise<void> {
  const args = force
    ? ["read-tree", "--reset", "-u", toCommit]
    : ["read-tree", "-m", "-u", fromCommit, toCommit];
  const config = layers === null ? CHECKOUT : [...CHECKOUT, ...LAYERED];
  const timeoutMs = 10 * 60_000;
  const options = { gitDir: repoPath, workTree: folder, indexFile, config, timeoutMs, signal };
  const move = async (): Promise<string | null> => {
    try {
      await git(args, options);
      return null;
    } catch (error) {
      if (!(error instanceof GitError) || error.reason !== "exit") throw error;
      const refused = UNSAVED.exec(error.stderr);
      if (refused === null) throw error;
      return refused[1] ?? "";
    }
  };
  // Of layers it is what it was when the folder was last moved, or made.
  if (layers !== null) await git(["read-tree", "--reset", fromCommit], options);
  if ((await move()) === null) return;
  // A file that was only touched looks changed until its content has been compared.
  await git(["update-index", "-q", "--refresh"], { ...options, okExitCodes: [0, 1] });
  const path = await move();
  if (path !== null) throw new UnsavedChangesError(path);
}

const UNSAVED =
  /(?:Entry|Untracked working tree file|Updating) '(.*?)' (?:not uptodate|would be|would lose)/s;
