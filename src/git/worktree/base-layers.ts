/**
 * Lower layers: the files of one commit, made once, never changed again and shared by all overlays of
 * a project that began there. A layer is a folder `<commit>-<random>` with the files, an index of them
 * and a folder with a file for each user; it goes when the last user does.
 *
 * No lock is needed, in one process or several: a user is written by making a file in the folder of
 * users, and who removes a layer removes that folder first, which the system does only while it is
 * empty. Of the two one is late: the user finds no such folder, and takes another layer, or the remover
 * finds a user, and leaves all as it is.
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
import { CHECKOUT, LAYERED } from "./folder-driver.js";
import type { Owner } from "./folder-handle.js";
import { chownTree } from "./chown-tree.js";
import { git } from "../process/run.js";
import { runSystem } from "../process/system-command.js";

const LAYER = /^([0-9a-f]{40})-[0-9a-f]{12}$/;
/** What a process that was cut off left behind is nobody's after an hour. */
const FORGOTTEN_MS = 60 * 60_000;

/** The commit whose files a layer of this name holds. */
export function commitOf(layer: string): string {
  const commit = LAYER.exec(layer)?.[1];
  if (commit === undefined) throw new TypeError(`not the name of a layer: ${layer}`);
  return commit;
}

/** What a layer is taken from and for. */
export interface BaseLayerRequest {
  /** The folder of the project's layers. */
  lowers: string;
  repoPath: string;
  commit: string;
  /** The one name under which its use is noted. */
  user: string;
  /** Whose the files are to be; null leaves them to the server. */
  owner: Owner | null;
}

const making = new Map<string, Promise<void>>();

/**
 * Notes the use of a layer of the commit, which is made where there is none; answers its name. Whoever
 * asks for the same one meanwhile waits for it. Throws a GitError or what the system says (no space).
 */
export async function acquireBaseLayer(request: BaseLayerRequest): Promise<string> {
  const { lowers, commit, user } = request;
  assertOid(commit);
  await mkdir(lowers, { recursive: true, mode: 0o700 });
  for (let attempt = 1; ; attempt += 1) {
    for (const name of await listLayers(lowers)) {
      if (name.startsWith(commit) && (await noteUser(join(lowers, name), user))) return name;
    }
    if (attempt === 10) throw new Error("a layer went as often as it was made");
    const key = `${lowers} ${commit}`;
    const made = making.get(key) ?? makeLayer(request).finally(() => making.delete(key));
    making.set(key, made);
    await made;
  }
}

/** Ends the use of a layer, and the layer with its last one. Not to be in use is no error. */
export async function releaseBaseLayer(lowers: string, name: string, user: string): Promise<void> {
  await happened(unlink(join(lowers, name, "users", user)));
  await removeUnused(lowers, name);
}

/** Removes the layers that nobody uses, and what was cut off while it was made or removed. */
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

/** Answers whether there is such a layer to use. */
function noteUser(layer: string, user: string): Promise<boolean> {
  return happened(writeFile(join(layer, "users", user), ""));
}

async function removeUnused(lowers: string, name: string): Promise<void> {
  const path = join(lowers, name);
  if (!(await endUse(join(path, "users")))) return;
  const away = `${path}.removing-${randomBytes(6).toString("hex")}`;
  if (await happened(rename(path, away))) await removeTree(away);
}

/** Has nobody begin to use a layer any more; false where somebody does. */
async function endUse(users: string): Promise<boolean> {
  try {
    await rmdir(users);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOTEMPTY" || code === "EEXIST") return false;
    // Missing: a removal was cut off, or another one was quicker.
    ignoreMissing(error);
  }
  return true;
}

/** Whoever linked the files of a layer to make another one, and was cut off, uses it no more. */
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

/** Whether it was done; not where what it is about is missing. Throws any other error. */
function happened(act: Promise<void>): Promise<boolean> {
  return act.then(
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
      // All was written before: no file could have changed within the second that its time names.
      const later = Math.floor(Date.now() / 1000) + 1;
      await utimes(indexFile, later, later);
    }
    // What is lost of a layer would look like a change by every agent that began on it.
    await flushToDisk(aside);
  });
}

/**
 * Links the files of the nearest layer, which git then brings to another commit: it never writes in a
 * file, but puts a new one in its place. Answers the commit that is linked, null where nothing is.
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
    // A file system has a limit of links to a file: then the files are written anew.
    await removeTree(join(aside, "files"));
    await removeTree(join(aside, "index"));
    return null;
  } finally {
    await releaseBaseLayer(lowers, nearest, user);
  }
}

/** The layer of the newest ancestor, else the one made last. */
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
