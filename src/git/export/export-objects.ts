/**
 * Exports the objects that some commits reach into a folder of packs, which a repository elsewhere
 * can borrow (gitrepository-layout(5), `objects/info/alternates`). An export is a cache: a missing or
 * damaged one is built again.
 */
import { randomUUID } from "node:crypto";
import { chmod, mkdir, readdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assertOid, isOid } from "../objects/oid.js";
import { git, GitError } from "../process/run.js";
import { removeTree, temporaryName } from "../files/atomic-directory.js";

/** The exported objects. */
export interface ObjectExport {
  /** Changes when the export is built again. */
  id: string;
  /** The folder of objects, with absolute path. */
  objects: string;
  /** The commits whose objects are in it, or in the borrowed export. */
  tips: readonly string[];
}

/** The file `current` of an export. */
interface State {
  id: string;
  /** The generation before the last rebuild, which runs may still read. */
  previous: string | null;
  tips: string[];
  /** Names and sizes of the packs. */
  packs: [name: string, bytes: number][];
  /** Id of the borrowed export. */
  borrows: string | null;
}

/** git searches every pack for an object; more are replaced by one. */
const MAX_PACKS = 20;
const EXPORT_MS = 60 * 60_000;
/** The mode of the folder of a complete export. */
const MODE = 0o755;

/** Exports in progress by folder: one at a time, so that starts of many runs share the work. */
const exporting = new Map<string, Promise<unknown>>();

/**
 * Brings the export at `folder` up to date: it holds everything that `tips` reach, except the objects
 * of `borrowed`. Adds one pack of new objects, or builds a new generation. An interrupted call leaves
 * the export as it was.
 * @param tips a function is called when earlier calls for the folder have ended, so that the last call
 * exports the newest commits
 * @throws GitError if a tip does not exist
 */
export async function exportObjects(
  repoPath: string,
  folder: string,
  tips: readonly string[] | (() => Promise<readonly string[]>),
  borrowed: ObjectExport | null = null,
): Promise<ObjectExport> {
  const before = exporting.get(folder) ?? Promise.resolve();
  const next = before
    .catch(() => undefined)
    .then(async () => {
      const wanted = new Set(typeof tips === "function" ? await tips() : tips);
      wanted.forEach((oid) => assertOid(oid));
      return updateExport(repoPath, folder, [...wanted], borrowed);
    });
  exporting.set(folder, next);
  try {
    return await next;
  } finally {
    if (exporting.get(folder) === next) exporting.delete(folder);
  }
}

async function updateExport(
  repoPath: string,
  folder: string,
  tips: string[],
  borrowed: ObjectExport | null,
): Promise<ObjectExport> {
  const found = await readState(folder);
  const isUsable =
    found !== null &&
    found.borrows === (borrowed?.id ?? null) &&
    (await areReached(repoPath, found.tips, [...tips, ...(borrowed?.tips ?? [])]));
  if (isUsable && tips.every((tip) => found.tips.includes(tip))) return exportOf(folder, found);
  await removeOld(folder, /^current\./);
  if (isUsable && found.packs.length < MAX_PACKS) {
    await removeOld(join(folder, found.id), /^creating-/);
    try {
      const packs = await pack(repoPath, join(folder, found.id), tips, [
        ...found.tips,
        ...(borrowed?.tips ?? []),
      ]);
      return await writeState(folder, { ...found, tips, packs: [...found.packs, ...packs] });
    } catch (error) {
      // A commit of the borrowed export may be gone after a restored backup.
      if (!(error instanceof GitError) || error.reason !== "exit") throw error;
    }
  }
  const id = randomUUID();
  await mkdir(join(folder, id, "pack"), { recursive: true });
  const packs = await pack(repoPath, join(folder, id), tips, borrowed?.tips ?? []);
  const previous = found?.id ?? null;
  const made = await writeState(folder, {
    id,
    previous,
    tips,
    packs,
    borrows: borrowed?.id ?? null,
  });
  for (const name of await readdir(folder)) {
    if (![id, previous, CURRENT].includes(name)) await removeTree(join(folder, name));
  }
  return made;
}

const CURRENT = "current";

/**
 * Whether the new tips reach all old ones. Otherwise history was rewritten or another branch is
 * exported: the old packs hold objects that may no longer be read.
 */
async function areReached(
  repoPath: string,
  old: readonly string[],
  tips: readonly string[],
): Promise<boolean> {
  const rest = old.filter((oid) => !tips.includes(oid));
  if (rest.length === 0) return true;
  const input = [...rest, ...tips.map((oid) => `^${oid}`), ""].join("\n");
  const { exitCode, stdout } = await git(["rev-list", "--max-count=1", "--stdin"], {
    gitDir: repoPath,
    input,
    // An old commit may be gone after a restored backup.
    okExitCodes: [0, 128],
  });
  return exitCode === 0 && stdout.length === 0;
}

const exportOf = (folder: string, { id, tips }: State): ObjectExport => ({
  id,
  objects: join(folder, id),
  tips,
});

/** Removes remains of interrupted calls, which are older than any call can take. */
async function removeOld(folder: string, names: RegExp): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const path = join(folder, name);
    if (!names.test(name)) continue;
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Date.now() }));
    if (mtimeMs < Date.now() - 2 * EXPORT_MS) await removeTree(path);
  }
}

/** Returns the state of a complete export; null if anything is missing. */
async function readState(folder: string): Promise<State | null> {
  try {
    const state = JSON.parse(await readFile(join(folder, CURRENT), "utf8")) as State;
    for (const [name, bytes] of state.packs) {
      const packs = join(folder, state.id, "pack");
      const { size } = await stat(join(packs, name));
      await stat(join(packs, name.replace(/\.pack$/, ".idx")));
      if (size !== bytes) return null;
    }
    const { mode } = await stat(join(folder, state.id));
    return (mode & 0o777) === MODE && state.tips.every(isOid) ? state : null;
  } catch {
    return null;
  }
}

async function writeState(folder: string, state: State): Promise<ObjectExport> {
  // The folder is read by another user, whom only a sandbox lets in. Before the rename, which completes it.
  await chmod(join(folder, state.id), MODE);
  const aside = temporaryName(join(folder, CURRENT), randomUUID());
  await writeFile(aside, JSON.stringify(state), { flush: true });
  await rename(aside, join(folder, CURRENT));
  return exportOf(folder, state);
}

/** Adds a pack of what `tips` reach and `without` do not. Returns its name and size, if it has any. */
async function pack(
  repoPath: string,
  objects: string,
  tips: readonly string[],
  without: readonly string[],
): Promise<State["packs"]> {
  // git writes its temporary files into the repository, where a concurrent repack would remove them.
  const scratch = join(objects, `creating-${randomUUID()}`);
  try {
    await mkdir(join(scratch, "objects/info"), { recursive: true });
    await mkdir(join(scratch, "objects/pack"));
    await mkdir(join(scratch, "refs"));
    await writeFile(join(scratch, "HEAD"), "ref: refs/heads/none\n");
    const config = "[core]\n\trepositoryformatversion = 0\n\tbare = true\n";
    await writeFile(join(scratch, "config"), config);
    await writeFile(join(scratch, "objects/info/alternates"), `${join(repoPath, "objects")}\n`);
    const input = [...tips, ...without.map((oid) => `^${oid}`), ""].join("\n");
    await git(["pack-objects", "--revs", "--non-empty", "-q", join(scratch, "pack")], {
      gitDir: scratch,
      input,
      timeoutMs: EXPORT_MS,
      background: true,
      config: [
        ["pack.threads", "1"],
        ["pack.windowMemory", "256m"],
      ],
    });
    const packs: State["packs"] = [];
    // The index comes last: it makes the pack visible to git.
    const names = (await readdir(scratch)).filter((name) => /^pack-.*\.(pack|idx)$/.test(name));
    await mkdir(join(objects, "pack"), { recursive: true });
    await chmod(join(objects, "pack"), 0o755);
    for (const name of names.toSorted().toReversed()) {
      await chmod(join(scratch, name), 0o444);
      if (name.endsWith(".pack")) packs.push([name, (await stat(join(scratch, name))).size]);
      await rename(join(scratch, name), join(objects, "pack", name));
    }
    return packs;
  } finally {
    await removeTree(scratch);
  }
}
