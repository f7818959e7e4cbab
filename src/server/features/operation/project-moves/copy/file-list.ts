import { Readable } from "node:stream";
import { streamSystem } from "#git/process/system-command.js";

/** An entry of a folder. Names are bytes, as latin1 text. */
export interface FileEntry {
  readonly path: string;
  /** As of find(1): f, d, l, …. */
  readonly type: string;
  readonly size: number;
  /** What a copy has in common with the entry: type, size, mode, owner and times. */
  readonly content: string;
  /** Time of the last change of its content or attributes, in seconds. */
  readonly changedAt: number;
  /** Type, times, inode and all else that a change of the entry changes. */
  readonly version: string;
  /** The inode of a file with several names. */
  readonly shared: string | null;
}

export interface FileList {
  /** The time of the listing by the clock of the entries, in seconds. */
  readonly at: number;
  readonly entries: ReadonlyMap<string, FileEntry>;
}

/** The size of all files; one with several names counts once. */
export function sizeOf({ entries }: FileList): number {
  const seen = new Set<string>();
  let total = 0;
  for (const { size, shared } of entries.values()) {
    if (shared !== null && seen.has(shared)) continue;
    if (shared !== null) seen.add(shared);
    total += size;
  }
  return total;
}

const FORMAT = "%y %s %m %U %G %T@ %C@ %i %n\\0%p\\0%l\\0";
/** Arguments of one program. */
const PARTS_AT_ONCE = 500;
const GONE = /No such file or directory/;
/** Only root keeps owners. */
const keepsOwners = process.getuid?.() === 0;

/**
 * Lists all entries of parts of a folder, as text for `readList`. Entries that vanish meanwhile are left out.
 * @throws on other failures, by the stream
 */
export function streamList(folder: string, parts: readonly string[]): Readable {
  return Readable.from(listOf(folder, parts), { objectMode: false });
}

async function* listOf(folder: string, parts: readonly string[]): AsyncGenerator<Buffer> {
  yield Buffer.from(`${Date.now() / 1000}\0`);
  for (let start = 0; start < parts.length; start += PARTS_AT_ONCE) {
    const some = parts.slice(start, start + PARTS_AT_ONCE);
    const args = [...some, "-xdev", "-printf", FORMAT];
    const { output, done } = streamSystem("find", args, { cwd: folder, input: "" });
    for await (const piece of output) yield piece as Buffer;
    const { exitCode, stderr } = await done;
    const problem = stderr.split("\n").find((line) => line !== "" && !GONE.test(line));
    if (exitCode !== 0 && problem !== undefined) throw new Error(`cannot list files: ${problem}`);
  }
}

/** Reads the text of `streamList`. */
export async function readList(text: Readable): Promise<FileList> {
  let at = 0;
  const entries = new Map<string, FileEntry>();
  let fields: string[] = [];
  let rest = "";
  let isFirst = true;
  for await (const piece of text) {
    const pieces = (rest + (piece as Buffer).toString("latin1")).split("\0");
    rest = pieces.pop() ?? "";
    for (const field of pieces) {
      if (isFirst) {
        at = Number(field);
        isFirst = false;
        continue;
      }
      fields.push(field);
      if (fields.length < 3) continue;
      const entry = entryOf(fields as [string, string, string]);
      fields = [];
      // Sockets are of a process that has ended.
      if (entry.type !== "s") entries.set(entry.path, entry);
    }
  }
  if (isFirst || rest !== "" || fields.length > 0) throw new Error("the list of files is cut off");
  return { at, entries };
}

function entryOf([facts, path, target]: [string, string, string]): FileEntry {
  const [type = "", size, mode, uid, gid, modified, changed, inode, links] = facts.split(" ");
  const isFile = type === "f";
  const owner = keepsOwners ? `${uid}:${gid}` : "";
  const time = isFile || type === "d" ? modified : "";
  return {
    path,
    type,
    size: isFile ? Number(size) : 0,
    content: [type, isFile ? size : "", type === "l" ? "" : mode, owner, time, target].join(" "),
    changedAt: Number(changed),
    version: `${facts} ${target}`,
    shared: isFile && links !== "1" ? (inode ?? null) : null,
  };
}
