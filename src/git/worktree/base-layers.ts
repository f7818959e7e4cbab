/**
 * Base layers: the files of one commit, written once, immutable, and shared by all overlays of a
 * project that started from it. A layer is a folder `<commit>-<random>` with the files, their index
 * and a folder `users` with one file per user; it is removed with its last user.
 *
 * No locks are needed, in one process or several. A user registers by creating a file in `users`; a
 * remover first removes `users` with rmdir(2), which succeeds only while it is empty. One of the
 * two loses the race: the user finds no folder and takes another layer, or the remover finds a user
 * and stops.
 */
import { randomBytes } from "node:crypto";
import {
  copyFile,
  lstat,
  mkdir,
  readdir,
  rename,
  rmdir,
  unlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { basename, join } from "node:path";
import { assertOid } from "../store/bare-repository.js";
import { createDirectoryAtomically, flushToDisk, removeTree } from "./atomic-directory.js";
import { CHECKOUT, LAYERED } from "./worktree-driver.js";
import type { Owner } from "./folder-handle.js";
import { chownTree } from "./chown-tree.js";
import { git } from "../process/run.js";
import { runSystem } from "../process/system-command.js";

const LAYER = /^([0-9a-f]{40})-[0-9a-f]{12}$/;
/** Remains of an interrupted process are removed after an hour. */
const FORGOTTEN_MS = 60 * 60_000;

/** Returns the commit in the name of a layer. */
export function commitOf(layer: string): string {
  const commit = LAYER.exec(layer)?.[1];
  if (commit === undefined) throw new TypeError(`not the name of a layer: ${layer}`);
  return commit;
}

/** The source and the user of a layer. */
export interface BaseLayerRequest {
  /** The folder of the project's layers. */
  lowers: string;
  repoPath: string;
  commit: string;
  /** The unique name that registers its use. */
  user: string;
  /** The owner of the files; null for the server. */
  owner: Owner | null;
}

const making = new Map<string, Promise<void>>();

/**
 * Registers the use of a layer of the commit, creating it if necessary, and returns its name.
 * Concurrent calls for the same commit share the creation.
 * @throws GitError, or the system error (no space)
 */
export async function acquireBaseLayer(request: BaseLayerRequest): Promise<string> {
  const { lowers, commit, user } = request;
  assertOid(commit);
  await mkdir(lowers, { recursive: true, mode: 0o700 });
  for (let attempt = 1; ; attempt += 1) {
    for (const name of await listLayers(lowers)) {
      if (name.startsWith(commit) && (await noteUser(join(lowers, name), user))) return name;
    }
    if (attempt === 10) throw new Error("the layer was removed after each attempt to create it");
    const key = `${lowers} ${commit}`;
    const made = making.get(key) ?? makeLayer(request).finally(() => making.delete(key));
    making.set(key, made);
    await made;
  }
}

/** Ends the use of a layer, and removes the layer with its last use. Idempotent. */
export async function releaseBaseLayer(lowers: string, name: string, user: string): Promise<void> {
  await happened(unlink(join(lowers, name, "users", user)));
  await removeUnused(lowers, name);
}

/** Removes unused layers and the remains of interrupted creations and removals. */
export async function collectBaseLayers(lowers: string): Promise<void> {
  for (const name of await readdir(lowers).catch(() => [])) {
    const path = join(lowers, name);
    if (LAYER.test(name)) {
      await forgetLinks(join(path, "users"));
      await removeUnused(lowers, name);
    } else if (/\.removing-[0-9a-f]{12}$/.test(name) || (await isForgotten(path))) {
      await removeTree(path);
    }
  }
}

async function listLayers(lowers: string): Promise<string[]> {
  return (await readdir(lowers)).filter((name) => LAYER.test(name));
}

/** Returns whether the layer exists. */
function noteUser(layer: string, user: string): Promise<boolean> {
  return happened(writeFile(join(layer, "users", user), ""));
}

async function removeUnused(lowers: string, name: string): Promise<void> {
  const path = join(lowers, name);
  if (!(await endUse(join(path, "users")))) return;
  const away = `${path}.removing-${randomBytes(6).toString("hex")}`;
  if (await happened(rename(path, away))) await removeTree(away);
}

/** Closes a layer to new users; false if it is in use. */
async function endUse(users: string): Promise<boolean> {
  try {
    await rmdir(users);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOTEMPTY" || code === "EEXIST") return false;
    // Missing: another removal was faster or interrupted.
    ignoreMissing(error);
  }
  return true;
}

/** Forgets interrupted processes that linked the files of a layer to create another. */
async function forgetLinks(users: string): Promise<void> {
  for (const name of await readdir(users).catch(() => [])) {
    const path = join(users, name);
    if (name.startsWith("link-") && (await isForgotten(path))) await happened(unlink(path));
  }
}

async function isForgotten(path: string): Promise<boolean> {
  const stats = await lstat(path).catch(() => null);
  return stats !== null && stats.mtimeMs < Date.now() - FORGOTTEN_MS;
}

/** Returns false if the target is missing; rethrows other errors. */
function happened(change: Promise<void>): Promise<boolean> {
  return change.then(
    () => true,
    (error: unknown) => {
      ignoreMissing(error);
      return false;
    },
  );
}

function ignoreMissing(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
}

async function makeLayer({
  lowers,
  repoPath,
  commit,
  user,
  owner,
}: BaseLayerRequest): Promise<void> {
  const target = join(lowers, `${commit}-${randomBytes(6).toString("hex")}`);
  await createDirectoryAtomically(target, async (aside) => {
    const [files, indexFile] = [join(aside, "files"), join(aside, "index")];
    await mkdir(join(aside, "users"));
    await writeFile(join(aside, "users", user), "");
    const options = { gitDir: repoPath, workTree: files, indexFile, timeoutMs: 10 * 60_000 };
    const sibling = await linkSibling(lowers, repoPath, commit, aside);
    const trees = sibling === null ? ["--reset", "-u"] : ["-m", "-u", sibling];
    if (sibling === null) await mkdir(files);
    await git(["read-tree", ...trees, commit], { ...options, config: [...CHECKOUT, ...LAYERED] });
    if (owner !== null) {
      await chownTree(files, owner);
      // No file changed within the second of its timestamp: everything was written before.
      const later = Math.floor(Date.now() / 1000) + 1;
      await utimes(indexFile, later, later);
    }
    // Files lost from a layer would look like changes by every agent that uses it.
    await flushToDisk(aside);
  });
}

/**
 * Links the files of the nearest layer, which git then updates to another commit: it replaces files
 * and never writes into them. Returns the linked commit, or null.
 */
async function linkSibling(
  lowers: string,
  repoPath: string,
  commit: string,
  aside: string,
): Promise<string | null> {
  const layers = await listLayers(lowers);
  if (layers.length === 0) return null;
  const nearest = await nearestOf(layers, repoPath, commit, lowers);
  const from = join(lowers, nearest);
  const user = `link-${basename(aside)}`;
  if (!(await noteUser(from, user))) return null;
  try {
    const places = ["--", join(from, "files"), join(aside, "files")];
    await runSystem("cp", ["-al", ...places], { timeoutMs: 10 * 60_000 });
    await copyFile(join(from, "index"), join(aside, "index"));
    return commitOf(nearest);
  } catch {
    // File systems limit the links per file: write the files anew.
    await removeTree(join(aside, "files"));
    await removeTree(join(aside, "index"));
    return null;
  } finally {
    await releaseBaseLayer(lowers, nearest, user);
  }
}

/** Returns the layer of the newest ancestor, otherwise the newest layer. */
async function nearestOf(
  layers: readonly string[],
  repoPath: string,
  commit: string,
  lowers: string,
): Promise<string> {
  const args = ["rev-list", "--max-count=200", commit, "--"];
  const { stdout } = await git(args, { gitDir: repoPath });
  const byCommit = new Map(layers.map((name) => [commitOf(name), name]));
  for (const ancestor of stdout.toString("latin1").split("\n")) {
    const name = byCommit.get(ancestor);
    if (name !== undefined) return name;
  }
  const times = await Promise.all(
    layers.map(async (name) => (await lstat(join(lowers, name)).catch(() => null))?.mtimeMs ?? 0),
  );
  return layers[times.indexOf(Math.max(...times))] as string;
}
