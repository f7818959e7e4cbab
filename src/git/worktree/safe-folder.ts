/**
 * Reading below a folder whose owner is hostile and may be writing at this moment. Every step of a
 * path is opened from the one before without following links, so that nothing outside the folder
 * is ever read, whatever is swapped in meanwhile. Paths are bytes in a latin1 string, as git
 * reports them: `/` between the parts, relative to the folder.
 */
import { createHash } from "node:crypto";
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  openSync,
  readSync,
  type Stats,
} from "node:fs";
import { open, readlink, type FileHandle } from "node:fs/promises";
import { assertPathBounds } from "../snapshot/path-errors.js";

/** What is at a path: `gone` where there is nothing, or where a parent is no real folder. */
export type Found =
  | { kind: "gone"; behindLink: boolean }
  | { kind: "file" | "link" | "folder" | "fifo" | "socket" | "device"; stats: Stats };

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants;
/** Where it is missing (not Linux), plain paths are used, and swapped parents are not noticed. */
const BY_HANDLE = existsSync("/proc/self/fd");

/** The text of a path in bytes, for people: what is no UTF-8 becomes U+FFFD. */
export function displayPath(path: string): string {
  return Buffer.from(path, "latin1").toString("utf8");
}

/** How many paths are looked up before other work gets its turn. */
const TURN = 16;
/** Files up to this are read in one piece to tell their id. */
const ONE_PIECE = 256 * 1024;

/**
 * An open folder. One call at a time: it keeps the folders on the way to the last path open. Looking
 * a path up takes some ten calls of microseconds each: they are made at once, a few paths a turn,
 * because handing each to a thread takes many times as long.
 */
export class SafeFolder {
  readonly #root: { fd: number; path: Buffer };
  readonly #open: { name: string; fd: number; path: Buffer }[] = [];
  #looked = 0;

  private constructor(root: { fd: number; path: Buffer }) {
    this.#root = root;
  }

  /** Opens the folder at the absolute path `folder`; throws where it is a link or no folder. */
  static async open(folder: string): Promise<SafeFolder> {
    const path = Buffer.from(folder);
    return new SafeFolder({ path, fd: openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW) });
  }

  /** Closes what is open. */
  async close(): Promise<void> {
    this.#leave(0);
    closeSync(this.#root.fd);
  }

  /** What is at `path`, nothing being followed. */
  async find(path: string): Promise<Found> {
    const place = await this.#locate(path);
    if (!Buffer.isBuffer(place)) return place;
    try {
      return found(lstatSync(place));
    } catch (error) {
      return missing(error, false);
    }
  }

  /** Opens the regular file at `path`, or answers null where there is none that can be read. */
  async openFile(path: string): Promise<FileHandle | null> {
    const place = await this.#locate(path);
    if (!Buffer.isBuffer(place)) return null;
    const handle = await open(place, O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch(() => null);
    if (handle === null || (await handle.stat()).isFile()) return handle;
    await handle.close();
    return null;
  }

  /** The id that git gives to a file of any size, and whether its owner may execute it; null without one. */
  async fileId(path: string): Promise<{ oid: string; isExecutable: boolean } | null> {
    const handle = await this.openFile(path);
    if (handle === null) return null;
    try {
      const { size, mode } = await handle.stat();
      const hash = blobHash(size);
      const stream = handle.createReadStream({ autoClose: false, start: 0, end: size - 1 });
      for await (const chunk of size === 0 ? [] : stream) {
        hash.update(chunk as Buffer);
      }
      return { oid: hash.digest("hex"), isExecutable: (mode & 0o100) !== 0 };
    } finally {
      await handle.close();
    }
  }

  /**
   * The regular file at `path`, read at once, and whether its owner may execute it; null where it is too
   * large for that, or none.
   */
  async readSmall(path: string): Promise<{ bytes: Buffer; isExecutable: boolean } | null> {
    const place = await this.#locate(path);
    if (!Buffer.isBuffer(place)) return null;
    let fd: number;
    try {
      fd = openSync(place, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    } catch {
      return null;
    }
    try {
      const stats = fstatSync(fd);
      if (!stats.isFile() || stats.size > ONE_PIECE) return null;
      const buffer = Buffer.allocUnsafe(stats.size);
      const bytes = buffer.subarray(0, readSync(fd, buffer, 0, stats.size, 0));
      return { bytes, isExecutable: (stats.mode & 0o100) !== 0 };
    } finally {
      closeSync(fd);
    }
  }

  /** The text of the symbolic link at `path`, or null where there is none. */
  async readLink(path: string): Promise<Buffer | null> {
    const place = await this.#locate(path);
    if (!Buffer.isBuffer(place)) return null;
    return readlink(place, { encoding: "buffer" }).catch(() => null);
  }

  /**
   * The path by which the parent's open handle reaches the last part; `gone` where it cannot.
   * @throws PathTooLongError
   */
  async #locate(path: string): Promise<Buffer | Found> {
    assertPathBounds(path);
    this.#looked += 1;
    if (this.#looked % TURN === 0) await new Promise((resolve) => setImmediate(resolve));
    const parts = path.split("/");
    const name = parts.pop() ?? "";
    let depth = 0;
    while (depth < parts.length && this.#open[depth]?.name === parts[depth]) depth += 1;
    this.#leave(depth);
    for (const part of parts.slice(depth)) {
      const place = this.#child(part);
      try {
        const fd = openSync(place, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        this.#open.push({ name: part, fd, path: place });
      } catch (error) {
        return missing(error, true);
      }
    }
    return this.#child(name);
  }

  /** Closes the folders below `depth`. */
  #leave(depth: number): void {
    for (const { fd } of this.#open.splice(depth)) closeSync(fd);
  }

  #child(name: string): Buffer {
    const parent = this.#open.at(-1) ?? this.#root;
    const folder = BY_HANDLE ? Buffer.from(`/proc/self/fd/${parent.fd}`) : parent.path;
    return Buffer.concat([folder, Buffer.from(`/${name}`, "latin1")]);
  }
}

function blobHash(size: number): ReturnType<typeof createHash> {
  return createHash("sha1").update(`blob ${size}\0`);
}

function found(stats: Stats): Found {
  if (stats.isFile()) return { kind: "file", stats };
  if (stats.isSymbolicLink()) return { kind: "link", stats };
  if (stats.isDirectory()) return { kind: "folder", stats };
  if (stats.isFIFO()) return { kind: "fifo", stats };
  return { kind: stats.isSocket() ? "socket" : "device", stats };
}

function missing(error: unknown, parent: boolean): Found {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  // A link opened as a folder without following is ENOTDIR on Linux, ELOOP elsewhere.
  const link = parent && (code === "ENOTDIR" || code === "ELOOP");
  if (link || code === "ENOENT" || code === "ENOTDIR") return { kind: "gone", behindLink: link };
  throw error;
}
