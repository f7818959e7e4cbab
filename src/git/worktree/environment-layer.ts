/**
 * Environment layers: files that git ignores and that a setup script left in a working tree, such as
 * installed packages. A layer is a folder with the files and its users (layer-users.ts). It is written
 * once and immutable. Overlays use it as a further lower layer; checkouts get copies, because an agent
 * could write through hard links.
 */
import { lstat, mkdir, readdir, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { git, type GitOptions } from "../process/run.js";
import { runSystem, streamSystem, SystemCommandError } from "../process/system-command.js";
import { guardDotGitFiles } from "../snapshot/dot-git-files.js";
import {
  createDirectoryAtomically,
  flushToDisk,
  removeTree,
  temporaryName,
} from "../files/atomic-directory.js";
import { chownTree } from "./chown-tree.js";
import { measureTree } from "./disk-usage.js";
import type { Owner } from "./folder-handle.js";
import { addUser, forgetUsers, isForgotten, releaseLayer, removeUnused } from "./layer-users.js";

/** The user of a layer that keeps it for new working trees. */
const KEPT = "kept";
/** Time for each step of storing or copying a layer. */
const STEP_MS = 15 * 60_000;
/** Owners, attributes and special files are those of the script, and are not kept. */
const COPY = ["-R", "--no-dereference", "--preserve=mode,timestamps,links", "--reflink=auto"];

/** A working tree; see `WorktreePaths`. */
interface Source {
  repoPath: string;
  folder: string;
  indexFile: string;
}

/** The result of storing the files of a setup script. */
export interface StoredEnvironment {
  /** The layer's bytes on the disk. */
  bytes: number;
  /** Untracked paths that git does not ignore, at most 100; folders with a final slash. */
  leftOut: string[];
  leftOutCount: number;
}

const MAX_LEFT_OUT = 100;

/**
 * Stores the ignored files of a working tree as a layer, which exists until `dropEnvironment` and the end
 * of its last use. The tree is untrusted and changes: its tracked files are reset, and special files in it
 * are removed. No process of its script may be running. Replaces a layer that nothing uses yet.
 * @param layer its new path
 * @param owner of the files; null for the server
 * @throws DotGitFileError; GitError; SystemCommandError (no space)
 */
export async function storeEnvironment(
  { repoPath, folder, indexFile }: Source,
  layer: string,
  owner: Owner | null,
): Promise<StoredEnvironment> {
  await openClosed(folder);
  await removeTraps(folder);
  const listed = await guardDotGitFiles(folder, undefined, async (signal) => {
    const options = { gitDir: repoPath, workTree: folder, indexFile, signal, timeoutMs: STEP_MS };
    // The rules of .gitignore are those of the commit, as in the workspaces.
    await git(["checkout-index", "--all", "--force", "--quiet"], options);
    const [ignored, unknown] = [await listOthers(options, true), await listOthers(options, false)];
    return { ignored, unknown };
  });
  await removeTree(layer);
  await mkdir(dirname(layer), { recursive: true, mode: 0o700 });
  await createDirectoryAtomically(layer, async (aside) => {
    const files = join(aside, "files");
    await mkdir(files);
    await mkdir(join(aside, "users"));
    await writeFile(join(aside, "users", KEPT), "");
    await copyPaths(folder, listed.ignored, files);
    const privileged = ["!", "-type", "l", "-perm", "/6000", "-exec", "chmod", "ug-s", "{}", "+"];
    await runSystem("find", [files, ...privileged], { timeoutMs: STEP_MS });
    if (owner !== null) await chownTree(files, owner);
    await flushToDisk(aside);
  });
  const unknown = listed.unknown.toString("utf8").split("\0").filter(Boolean);
  return {
    bytes: await measureTree(join(layer, "files")),
    leftOut: unknown.slice(0, MAX_LEFT_OUT),
    leftOutCount: unknown.length,
  };
}

/**
 * Removes special files, and links in the place of a file that git opens in each untracked folder to tell
 * whether it is a repository: both could block git or exhaust its memory.
 */
async function removeTraps(folder: string): Promise<void> {
  const special = ["!", "-type", "f", "!", "-type", "d", "!", "-type", "l"];
  const links = ["-type", "l", "(", "-path", "*/.git", "-o", "-path", "*/.git/*", ")"];
  const which = ["(", "(", ...special, ")", "-o", "(", ...links, ")", ")"];
  await runSystem("find", [folder, "-xdev", ...which, "-delete"], { timeoutMs: STEP_MS });
}

/** Opens what the script has closed to its own user, who is the server's, too, unless that is root. */
async function openClosed(folder: string): Promise<void> {
  if (process.getuid?.() === 0) return;
  const closed = (type: string, mode: string) => ["-type", type, "!", "-perm", `-${mode}`];
  const open = (mode: string, end: string) => ["-exec", "chmod", mode, "{}", end];
  // Each folder before find reads it.
  const folders = [...closed("d", "u=rwx"), ...open("u+rwx", ";")];
  const files = [...closed("f", "u=r"), ...open("u+r", "+")];
  const which = ["(", ...folders, ")", "-o", "(", ...files, ")"];
  await runSystem("find", [folder, "-xdev", ...which], { timeoutMs: STEP_MS });
}

/** Lists untracked paths, NUL-terminated: those that git ignores or the others, whole folders as one. */
async function listOthers(options: GitOptions, isIgnored: boolean): Promise<Buffer> {
  const args = ["ls-files", "-z", "--others", "--directory", "--exclude-standard"];
  args.push(isIgnored ? "--ignored" : "--no-empty-directory");
  return (await git(args, options)).stdout;
}

/** Copies NUL-terminated paths with the folders above them. */
async function copyPaths(folder: string, paths: Buffer, to: string): Promise<void> {
  if (paths.length === 0) return;
  const copy = ["cp", ...COPY, "--parents", `--target-directory=${to}`, "--"];
  // timeout(1) ends xargs and cp together.
  const args = [String(STEP_MS / 1000), "xargs", "-0", ...copy];
  const { output, done } = streamSystem("timeout", args, { cwd: folder, input: paths });
  output.resume();
  const { exitCode, stderr } = await done;
  if (exitCode !== 0) throw new SystemCommandError(`cp: ${lastLineOf(stderr)}`, stderr);
}

/**
 * Copies a layer into a folder, where existing files stay; false if the layer is gone. The copy is made
 * beside the folder and then moved, so that no file is ever half there. No process of the agent may be
 * running.
 * @throws the system error (no space), SystemCommandError
 */
export async function copyEnvironment(
  layer: string,
  folder: string,
  user: string,
): Promise<boolean> {
  if (!(await addUser(layer, user))) return false;
  const aside = environmentAside(folder);
  try {
    await removeTree(aside);
    await runSystem("cp", [...COPY, "--", join(layer, "files"), aside], { timeoutMs: STEP_MS });
    await flushToDisk(aside);
    await moveInto(Buffer.from(aside), Buffer.from(folder));
  } finally {
    await removeTree(aside);
    await releaseLayer(layer, user);
  }
  return true;
}

/** The copy of a layer while it is made, beside a folder. */
export const environmentAside = (folder: string): string => temporaryName(folder, "environment");

const SLASH = Buffer.from("/");

/** Moves the entries of a folder into another; folders in both are merged, and other entries stay. */
async function moveInto(from: Buffer, to: Buffer): Promise<void> {
  for (const entry of await readdir(from, { withFileTypes: true, encoding: "buffer" })) {
    const [source, target] = [from, to].map((at) => Buffer.concat([at, SLASH, entry.name])) as [
      Buffer,
      Buffer,
    ];
    const there = await lstat(target).catch(() => null);
    if (there === null) await rename(source, target);
    else if (there.isDirectory() && entry.isDirectory()) await moveInto(source, target);
  }
}

/** Keeps a layer for no further working trees: it is removed with its last use. Idempotent. */
export async function dropEnvironment(layer: string): Promise<void> {
  await releaseLayer(layer, KEPT);
}

/**
 * Drops the layers that are not wanted, and removes the remains of interrupted creations, uses and
 * removals.
 * @param environments the folder of a project's layers
 * @param isWanted by the name of a layer
 * @param isUser whether a working tree uses the layer, by the name of the user and the path of the layer
 */
export async function collectEnvironments(
  environments: string,
  isWanted: (name: string) => boolean,
  isUser: (user: string, layer: string) => Promise<boolean>,
): Promise<void> {
  for (const name of await readdir(environments).catch(() => [])) {
    const layer = join(environments, name);
    if (/\.removing-[0-9a-f]{12}$/.test(name)) {
      await removeTree(layer);
    } else if (name.endsWith(".creating")) {
      if (await isForgotten(layer)) await removeTree(layer);
    } else {
      await forgetUsers(layer, async (user) => user !== KEPT && !(await isUser(user, layer)));
      if (isWanted(name)) continue;
      if (await isForgotten(layer)) await dropEnvironment(layer);
      else await removeUnused(layer);
    }
  }
}

/** Whether the layer of that path exists. */
export async function hasEnvironment(layer: string): Promise<boolean> {
  const stats = await lstat(join(layer, "users")).catch(() => null);
  return stats?.isDirectory() === true;
}

function lastLineOf(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}
