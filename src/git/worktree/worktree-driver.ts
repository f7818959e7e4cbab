/** Working trees of agents: the driver interface, and the driver for plain checkouts. */
import { lstat, mkdir, rename } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { assertOid } from "../objects/oid.js";
import {
  temporaryName,
  createDirectoryAtomically,
  exists,
  flushToDisk,
  removeLeftovers,
  removeTree,
} from "../files/atomic-directory.js";
import { measureTree } from "./disk-usage.js";
import { guardDotGitFiles } from "../snapshot/dot-git-files.js";
import type { Owner } from "./folder-handle.js";
import { chownTree } from "./chown-tree.js";
import {
  copyEnvironment,
  environmentAside,
  storeEnvironment,
  type StoredEnvironment,
} from "./environment-layer.js";
import { git, GitError } from "../process/run.js";
import { removeIndex } from "../snapshot/update-index.js";

/** The paths of a working tree and its parts. All are absolute. */
export interface WorktreePaths {
  /** The bare repository of its files. */
  repoPath: string;
  /** The agent's view. */
  folder: string;
  /** The server's index of the folder, out of the agent's reach. */
  indexFile: string;
  /** The folder with the parts of an overlay; missing for a checkout. */
  overlay: string;
  /** The folder of the base layers that the project's overlays share. */
  lowers: string;
}

type Checkout = Pick<WorktreePaths, "repoPath" | "folder" | "indexFile">;

/** The layers of an overlay. */
export interface Layers {
  /** The changes, and the folders above them. */
  upper: string;
  /** The files of `commit`, which never change. */
  lower: string;
  commit: string;
}

/** How a working tree is created: a kernel overlay, a FUSE overlay, or a plain checkout. */
export type WorktreeKind = "overlay" | "fuse-overlayfs" | "checkout";

/** Creates and removes working trees. */
export interface WorktreeDriver {
  /** The kind of new working trees. */
  readonly name: WorktreeKind;
  /**
   * Creates `folder` with the files of `commit`, and `indexFile` to match. The folder appears
   * atomically and replaces an existing one. Returns its kind.
   * @param input `owner` gets the folder if the driver can give folders to others; `changeOwner` then has little to do
   * @throws GitError (bad commit) or the system error (no space), leaving nothing behind
   */
  create(input: WorktreePaths & { commit: string; owner?: Owner | null }): Promise<WorktreeKind>;
  /**
   * Removes the working tree with all its parts; a missing one is not an error. No process of the
   * agent may be running.
   */
  remove(places: WorktreePaths): Promise<void>;
  /**
   * Makes the folder accessible at its path and returns its layers; null if it has none. Call it
   * before reading or writing a folder, with exclusive access to it.
   * @throws MountError, having changed nothing
   */
  open(places: WorktreePaths): Promise<Layers | null>;
  /**
   * Changes the owner of the whole folder to the user of the agent's commands, before they run. No
   * process of the agent may be running.
   * @throws the system error: EPERM if the server may not change owners, ENOENT without a folder
   */
  changeOwner(places: WorktreePaths, owner: Owner): Promise<void>;
  /**
   * Stores the ignored files of a folder as an environment layer; see `storeEnvironment`.
   * @param layer its new path
   */
  storeEnvironment(places: WorktreePaths, layer: string): Promise<StoredEnvironment>;
  /**
   * Adds an environment layer (environment-layer.ts) below the files of a folder that has none. What the
   * folder has already stays: a file, and in an overlay also a folder that its commit lacks. No process of
   * the agent may be running.
   * @param layer its path
   * @returns the path of the layer that the folder has then, which in an overlay may be an earlier one;
   * null if the layer is gone
   * @throws MountError, or the system error (no space)
   */
  attachEnvironment(places: WorktreePaths, layer: string): Promise<string | null>;
  /**
   * Tells whether `changeOwner` can give this folder to a user other than the owner of its base layer.
   */
  canChangeOwner(places: WorktreePaths): Promise<boolean>;
  /** Returns the bytes on disk used by this folder alone; 0 if it is missing. */
  measure(places: WorktreePaths): Promise<number>;
}

/** Moving the folder to another commit would lose unsaved work; nothing was changed. */
export class UnsavedChangesError extends Error {
  override readonly name = "UnsavedChangesError";
  /** One of the paths, or an empty string if git named none. */
  readonly path: string;

  constructor(path: string) {
    super(`the folder has unsaved changes in ${JSON.stringify(path)}`);
    this.path = path;
  }
}

/** The folder is missing, or another kind of file (a symbolic link, a file) has its place. */
export class FolderMissingError extends Error {
  override readonly name = "FolderMissingError";

  constructor() {
    super("the folder is missing or is not a folder");
  }
}

/** Checks that `folder` is a real folder. @throws FolderMissingError */
export async function assertFolder(folder: string): Promise<void> {
  const stats = await lstat(folder).catch(() => null);
  if (stats === null || !stats.isDirectory()) throw new FolderMissingError();
}

/** Layers, hard links and owner changes alter stat data that says nothing about the content. */
export const LAYERED = [
  ["core.trustCtime", "false"],
  ["core.checkStat", "minimal"],
] as const;
/** Settings for large checkouts. */
export const CHECKOUT = [["checkout.workers", "2"]] as const;

/**
 * Plain files written by git. The folder contains no `.git`: its index is outside, owned by the
 * server, and stays valid when the finished folder is renamed into place.
 */
export const checkoutDriver = {
  name: "checkout",

  async create({
    repoPath,
    commit,
    folder,
    indexFile,
  }: Checkout & { commit: string }): Promise<WorktreeKind> {
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
        // Lost files would look like deletions by the agent.
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

  changeOwner: ({ folder }: Checkout, owner: Owner) => chownTree(folder, owner),

  storeEnvironment: (places: WorktreePaths, layer: string) => storeEnvironment(places, layer, null),

  attachEnvironment: async ({ folder, overlay }: WorktreePaths, layer: string) =>
    (await copyEnvironment(layer, folder, basename(overlay))) ? layer : null,

  canChangeOwner: async () => true,

  measure: ({ folder }: Checkout) => measureTree(folder),
} as const satisfies WorktreeDriver;

/** Removes a checkout, its index, and the remains of interrupted calls beside them. */
export async function removeFolder({
  folder,
  indexFile,
}: Omit<Checkout, "repoPath">): Promise<void> {
  const old = await moveAway(folder);
  await removeIndex(indexFile);
  if (old !== null) await removeTree(old);
  await removeLeftovers(folder, "removing");
  await removeLeftovers(folder, "creating");
  await removeTree(environmentAside(folder));
  await removeLeftovers(indexFile, "creating");
  await removeIndex(temporaryName(indexFile, "next"));
  await removeIndex(temporaryName(indexFile, "names"));
}

/**
 * Renames `folder` so that it disappears at once; returns the new name, or null if it is missing, also
 * because a concurrent call removed it.
 */
async function moveAway(folder: string): Promise<string | null> {
  if (!(await exists(folder))) return null;
  const away = temporaryName(folder, "removing");
  await removeTree(away);
  try {
    await rename(folder, away);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  return away;
}

/** A move from one commit to another. */
interface Move {
  fromCommit: string;
  toCommit: string;
  force?: boolean;
  /** The driver's `open`; not needed for a checkout. */
  open?: () => Promise<Layers | null>;
}

/**
 * Moves a folder from one commit to another. Files that differ between the commits are rewritten;
 * others, changed or untracked, stay as they are. Ignored files do not count as unsaved work. With
 * `force`, every tracked file is reset to `toCommit`, including unsaved work, to finish an
 * interrupted move.
 *
 * git writes through the folder's path here: no process of the agent may be running, since it could
 * replace a folder by a symbolic link between git's check and its write.
 * @throws UnsavedChangesError if unsaved work would be lost; nothing was changed
 * @throws FolderMissingError
 * @throws DotGitFileError
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
  // The index of an overlay dates from its creation or last move.
  if (layers !== null) await git(["read-tree", "--reset", fromCommit], options);
  if ((await move()) === null) return;
  // A file that was only touched looks changed until git compares its content.
  await git(["update-index", "-q", "--refresh"], { ...options, okExitCodes: [0, 1] });
  const path = await move();
  if (path !== null) throw new UnsavedChangesError(path);
}

const UNSAVED =
  /(?:Entry|Untracked working tree file|Updating) '(.*?)' (?:not uptodate|would be|would lose)/s;
