import { chmod, mkdir, rmdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import { Transform } from "node:stream";
import { finished } from "node:stream/promises";
import { streamSystem } from "#git/process/system-command.js";
import { flushToDisk, removeTree } from "#git/files/atomic-directory.js";
import { tarFlags } from "../../../../data-folder/tar-flags.js";
import { HomeBusyError, type AskHome } from "../ask-home.js";
import { readList, sizeOf, streamList, type FileEntry, type FileList } from "./file-list.js";
import { placeBatch } from "./place-batch.js";
import { presentParts, type ProjectFiles } from "../project-files.js";
import { requireRoom } from "./require-room.js";
import { parentOf, placeOf, realFolders } from "./real-folders.js";

/** Entries, and bytes of their content, that one request asks for. */
const MAX_ENTRIES = 2000;
const MAX_BYTES = 64 * 1024 * 1024;
/** An entry that changed this shortly before a list may have changed once more without another time. */
const RACY_SECONDS = 2;
/** Messages about this side; others are about an archive that broke off, or whose entries changed meanwhile. */
const CANNOT_WRITE =
  /No space left|quota|Read-only|ermission denied|not permitted|Input\/output|too large|Too many open/;

export interface FileCopy {
  /** Copies what is new or changed since the last call, and removes what is gone. */
  update(): Promise<void>;
  /**
   * Copies the last changes of files that no longer change, and compares the lists of both sides.
   * @throws if they differ
   */
  finish(files: ProjectFiles): Promise<void>;
}

/**
 * Copies the files of a project from its home into a folder.
 * @param progress called with the size of the project's files, and with bytes that were copied
 */
export function copyFiles(
  ask: AskHome,
  folder: string,
  progress: (made: { total: number | null; copied: number }) => Promise<void>,
): FileCopy {
  let known: FileList = { at: 0, entries: new Map() };
  /** Paths of the present update that have not arrived. They count as unknown, even if they are as before then. */
  let missing = new Set<string>();
  const arriving = join(folder, ".arriving");

  const fetch = async (batch: readonly FileEntry[]): Promise<void> => {
    // An agent may have put a link in place of a folder since the list, which tar would follow: here it leads nowhere.
    await removeTree(arriving);
    await mkdir(arriving, { mode: 0o700 });
    const names = Buffer.from(batch.map(({ path }) => `${path}\0`).join(""), "latin1");
    const answer = await ask("POST", "files", names);
    let copied = 0;
    const counting = new Transform({
      transform(piece: Buffer, _encoding, done) {
        copied += piece.length;
        done(null, piece);
      },
    });
    answer.once("error", (error) => counting.destroy(error));
    const isWhole = finished(answer, { writable: false }).then(
      () => answer.complete,
      () => false,
    );
    const args = ["--extract", "--file=-", ...tarFlags, "--same-permissions"];
    const input = answer.pipe(counting);
    const { output, done } = streamSystem("tar", args, { cwd: arriving, input });
    output.resume();
    const { exitCode, stderr } = await done;
    if (exitCode !== 0 && CANNOT_WRITE.test(stderr)) {
      answer.destroy();
      throw new Error(`tar cannot write the files: ${stderr.trim()}`);
    }
    // The home breaks it after the archive's last byte if it could not read all of it.
    answer.unpipe(counting).resume();
    if (!(await isWhole)) throw new HomeBusyError("the connection broke", true);
    if (exitCode !== 0) throw new HomeBusyError(`files do not fit together: ${stderr}`, false);
    for (const path of await placeBatch(arriving, folder, batch)) missing.add(path);
    await removeTree(arriving);
    await progress({ total: null, copied });
  };
  const fetchAll = async (entries: readonly FileEntry[]): Promise<void> => {
    for (const batch of batchesOf(entries)) await fetch(batch);
  };
  /** Copies entries, and then the folders around them, whose times and modes the copies change. */
  const bring = async (
    now: ReadonlyMap<string, FileEntry>,
    wanted: ReadonlySet<string>,
    gone: readonly FileEntry[],
  ): Promise<void> => {
    const around = [...wanted, ...gone.map(({ path }) => path)].map(parentOf);
    await makeWritable(folder, around);
    await remove(folder, gone);
    // What is below a link is of another time than the list's entry of that link.
    const isReachable = ({ path }: FileEntry): boolean =>
      (now.get(parentOf(path))?.type ?? "d") === "d";
    const entries = [...wanted].flatMap((path) => now.get(path) ?? []).filter(isReachable);
    const files = entries.filter(({ type }) => type !== "d");
    await fetchAll([
      // The names of a file in one archive.
      ...files
        .filter(({ shared }) => shared !== null)
        .toSorted((a, b) => Number(a.shared) - Number(b.shared)),
      ...files.filter(({ shared }) => shared === null),
    ]);
    const folders = new Set([...entries.map(({ path }) => path), ...around]);
    await fetchAll([...folders].flatMap((path) => now.get(path) ?? []).filter(isFolder));
  };
  const update = async (): Promise<void> => {
    const answer = await ask("GET", "list");
    const now = await readList(answer).catch((error: unknown) => {
      throw new HomeBusyError(`the list of files broke off (${(error as Error).message})`, true);
    });
    const wanted = new Set<string>();
    const shared = new Set<string>();
    const gone: FileEntry[] = [];
    for (const entry of now.entries.values()) {
      const before = known.entries.get(entry.path);
      if (before && before.type !== entry.type) gone.push(before);
      const isKnown =
        before?.version === entry.version && entry.changedAt < known.at - RACY_SECONDS;
      if (isKnown) continue;
      wanted.add(entry.path);
      if (entry.shared !== null) shared.add(entry.shared);
    }
    for (const entry of now.entries.values()) {
      if (entry.shared !== null && shared.has(entry.shared)) wanted.add(entry.path);
    }
    for (const entry of known.entries.values()) {
      if (!now.entries.has(entry.path)) gone.push(entry);
    }
    const total = sizeOf(now);
    if (known.entries.size === 0) await requireRoom(folder, total);
    await progress({ total, copied: 0 });
    // A failure in between leaves these in an unknown state. They are copied again, and only they.
    const between = new Map([...known.entries, ...now.entries]);
    missing = new Set();
    const around = [...wanted, ...gone.map(({ path }) => path)].map(parentOf);
    known = { at: known.at, entries: withUnknown(between, [...wanted, ...around]) };
    await bring(now.entries, wanted, gone);
    known = { at: now.at, entries: withUnknown(now.entries, missing) };
  };
  return {
    update,
    finish: async (files) => {
      await update();
      for (let attempt = 1; ; attempt += 1) {
        const here = await readList(streamList(folder, await presentParts(folder, files)));
        const wanted = new Set<string>();
        const gone: FileEntry[] = [];
        for (const entry of known.entries.values()) {
          const copy = here.entries.get(entry.path);
          if (copy?.content === entry.content) continue;
          wanted.add(entry.path);
          if (copy && copy.type !== entry.type) gone.push(copy);
        }
        for (const copy of here.entries.values()) {
          if (!known.entries.has(copy.path)) gone.push(copy);
        }
        if (wanted.size === 0 && gone.length === 0) break;
        if (attempt === 3) {
          const [first = gone[0]?.path] = wanted;
          throw new HomeBusyError(`files of the project still change, such as ${first}`, false);
        }
        await bring(known.entries, wanted, gone);
      }
      await flushToDisk(folder);
    },
  };
}

/** Lets entries of a list be copied by the next update. */
function withUnknown(
  entries: ReadonlyMap<string, FileEntry>,
  paths: Iterable<string>,
): ReadonlyMap<string, FileEntry> {
  const all = new Map(entries);
  for (const path of paths) {
    const entry = all.get(path);
    if (entry) all.set(path, { ...entry, version: "" });
  }
  return all;
}

const isFolder = ({ type }: FileEntry): boolean => type === "d";

function* batchesOf(entries: readonly FileEntry[]): Generator<FileEntry[]> {
  let batch: FileEntry[] = [];
  let size = 0;
  for (const entry of entries) {
    const isSame = entry.shared !== null && entry.shared === batch.at(-1)?.shared;
    if (!isSame && batch.length > 0 && (batch.length >= MAX_ENTRIES || size >= MAX_BYTES)) {
      yield batch;
      batch = [];
      size = 0;
    }
    batch.push(entry);
    size += entry.size;
  }
  if (batch.length > 0) yield batch;
}

/** Removes entries, those below a folder first. Their folders may have been removed with others. */
async function remove(folder: string, entries: readonly FileEntry[]): Promise<void> {
  const deepest = entries.toSorted((a, b) => b.path.length - a.path.length);
  // What is removed here are entries below the folders that were found.
  const folders = realFolders(folder);
  for (const entry of deepest) {
    if (!(await folders.has(parentOf(entry.path)))) continue;
    const path = placeOf(folder, entry.path);
    await (isFolder(entry) ? rmdir(path) : unlink(path)).catch(ignoreMissing);
  }
}

/** Lets a server without root change entries of folders whose modes forbid it. */
async function makeWritable(folder: string, paths: Iterable<string>): Promise<void> {
  await mkdir(folder, { recursive: true });
  if (process.getuid?.() === 0) return;
  const folders = realFolders(folder);
  for (const path of new Set(paths)) {
    if (await folders.has(path)) await chmod(placeOf(folder, path), 0o700);
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOENT" && error.code !== "ENOTDIR") throw error;
}
