/**
 * Base layers: the files of one commit, written once, immutable, and shared by all overlays of a
 * project that started from it. A layer is a folder `<commit>-<random>` with the files, their index
 * and its users (layer-users.ts).
 */
import { randomBytes } from "node:crypto";
import { copyFile, lstat, mkdir, readdir, utimes, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { assertOid } from "../objects/oid.js";
import { createDirectoryAtomically, flushToDisk, removeTree } from "../files/atomic-directory.js";
import { CHECKOUT, LAYERED } from "./worktree-driver.js";
import type { Owner } from "./folder-handle.js";
import { chownTree } from "./chown-tree.js";
import { addUser, forgetUsers, isForgotten, releaseLayer, removeUnused } from "./layer-users.js";
import { git, GitError } from "../process/run.js";
import { runSystem } from "../process/system-command.js";

const LAYER = /^([0-9a-f]{40})-[0-9a-f]{12}$/;

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
      if (name.startsWith(commit) && (await addUser(join(lowers, name), user))) return name;
    }
    if (attempt === 10) throw new Error("the layer was removed after each attempt to create it");
    const key = `${lowers} ${commit}`;
    const made = making.get(key) ?? makeLayer(request).finally(() => making.delete(key));
    making.set(key, made);
    await made;
  }
}

/** The user that keeps layers for working trees to come. */
const KEEPER = "keeper";

/**
 * Keeps a layer without other users, and of the layers that were kept before the newest ones.
 * @param count how many are kept
 */
export async function keepBaseLayer(lowers: string, layer: string, count: number): Promise<void> {
  await addUser(join(lowers, layer), KEEPER);
  const kept = await listKept(lowers, await listLayers(lowers));
  for (const { name } of kept.slice(count)) await releaseLayer(join(lowers, name), KEEPER);
}

/** Lists the kept layers, the one that was used last first. */
async function listKept(
  lowers: string,
  layers: readonly string[],
): Promise<{ name: string; at: number }[]> {
  const kept: { name: string; at: number }[] = [];
  for (const name of layers) {
    const stats = await lstat(join(lowers, name, "users", KEEPER)).catch(() => null);
    if (stats !== null) kept.push({ name, at: stats.mtimeMs });
  }
  return kept.toSorted((a, b) => b.at - a.at);
}

/** Removes unused layers and the remains of interrupted creations and removals. */
export async function collectBaseLayers(lowers: string): Promise<void> {
  for (const name of await readdir(lowers).catch(() => [])) {
    const path = join(lowers, name);
    if (LAYER.test(name)) {
      // Interrupted processes that linked its files to create another layer.
      await forgetUsers(path, (user) => user.startsWith("link-"));
      await removeUnused(path);
    } else if (/\.removing-[0-9a-f]{12}$/.test(name) || (await isForgotten(path))) {
      await removeTree(path);
    }
  }
}

/** How far a commit may be from that of a layer, for a working tree that is made from the layer. */
export interface Nearness {
  /** Paths that differ at most, and bytes of their new content. */
  maxPaths: number;
  maxBytes: number;
  /**
   * Whether nothing may be removed or become another kind of entry: in an overlay, that hides what a layer below has at
   * the path.
   */
  onlyFiles: boolean;
}

/** Returns the commit of a kept layer near a commit, or the commit itself if it has a layer; null without one. */
export async function findNearLayer(
  { lowers, repoPath, commit }: Pick<BaseLayerRequest, "lowers" | "repoPath" | "commit">,
  nearness: Nearness,
): Promise<string | null> {
  const layers = await listLayers(lowers).catch(() => []);
  if (layers.some((name) => commitOf(name) === commit)) return commit;
  for (const { name } of await listKept(lowers, layers)) {
    try {
      if (await isNear(repoPath, commitOf(name), commit, nearness)) return commitOf(name);
    } catch (error) {
      // Too much differs, or the commit of the layer is gone.
      if (!(error instanceof GitError)) throw error;
    }
  }
  return null;
}

/** Bytes that git may say about a few hundred paths. */
const DIFF_BYTES = 128 * 1024;

/** @throws GitError also if more differs than fits into its output */
async function isNear(
  repoPath: string,
  from: string,
  to: string,
  { maxPaths, maxBytes, onlyFiles }: Nearness,
): Promise<boolean> {
  const args = ["diff-tree", "-r", "-t", "-z", "--no-renames", from, to];
  const found = await git(args, { gitDir: repoPath, maxOutputBytes: DIFF_BYTES });
  // `:<old mode> <new mode> <old id> <new id> <status>`, and a path.
  const entries = found.stdout
    .toString("latin1")
    .split("\0")
    .filter((entry, index) => index % 2 === 0 && entry !== "")
    .map((entry) => entry.slice(1).split(" "));
  const isFile = (mode = ""): boolean => mode.startsWith("100") || mode === "120000";
  const isAbsent = (mode: string | undefined): boolean => mode === "000000";
  const isFolder = (mode: string | undefined): boolean => mode === "040000";
  const blobs: string[] = [];
  let paths = 0;
  for (const [old, next, , id = ""] of entries) {
    if (isFolder(old) && isFolder(next)) continue;
    if (onlyFiles && !(isFile(next) && (isFile(old) || isAbsent(old)))) return false;
    if (isFile(next)) blobs.push(id);
    if (!isFolder(old) && !isFolder(next)) paths += 1;
  }
  if (paths > maxPaths) return false;
  if (blobs.length === 0) return true;
  const sizes = await git(["cat-file", "--batch-check=%(objectsize)"], {
    gitDir: repoPath,
    input: `${blobs.join("\n")}\n`,
  });
  const bytes = sizes.stdout.toString("latin1").split("\n").map(Number);
  return bytes.reduce((sum, size) => sum + size, 0) <= maxBytes;
}

async function listLayers(lowers: string): Promise<string[]> {
  return (await readdir(lowers)).filter((name) => LAYER.test(name));
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
  if (!(await addUser(from, user))) return null;
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
    await releaseLayer(from, user);
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
