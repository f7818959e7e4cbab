/**
 * Reads below an untrusted folder that may change at any moment. Every path component is opened
 * relative to its parent without following links, so that nothing outside the folder is ever read,
 * whatever is swapped in. Paths are latin1 bytes as git reports them: relative to the folder,
 * separated by `/`.
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
import { assertPathBounds } from "./path-errors.js";

/** The entry at a path: `gone` if it is missing or a parent is not a real folder. */
export type Found =
  | { kind: "gone"; behindLink: boolean }
  | { kind: "file" | "link" | "folder" | "fifo" | "socket" | "device"; stats: Stats };

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants;
/** Without /proc (not Linux), plain paths are used, and swapped parents go unnoticed. */
const BY_HANDLE = existsSync("/proc/self/fd");

/** Converts a path in bytes to display text: bytes that are not UTF-8 become U+FFFD. */
export function displayPath(path: string): string {
  return Buffer.from(path, "latin1").toString("utf8");
}

/** Lookups per turn of the event loop. */
const TURN = 16;
/** Files up to this size are read at once. */
const ONE_PIECE = 256 * 1024;

/**
 * An open folder. One call at a time: it keeps the folders on the way to the last path open. A
 * lookup takes about ten calls of microseconds each, which run synchronously, a few paths per turn:
 * handing each to a thread would take many times as long.
 */
export class SafeFolder {
  readonly #root: { fd: number; path: Buffer };
  readonly #open: { name: string; fd: number; path: Buffer }[] = [];
  #looked = 0;

  private constructor(root: { fd: number; path: Buffer }) {
    this.#root = root;
  }

  /** Opens the folder at the absolute path `folder`; throws for a link or anything else. */
  static async open(folder: string): Promise<SafeFolder> {
    const path = Buffer.from(folder);
    return new SafeFolder({ path, fd: openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW) });
  }

  /** Closes all handles. */
  async close(): Promise<void> {
    this.#leave(0);
    closeSync(this.#root.fd);
  }

  /** Returns the entry at `path` without following links. */
  async find(path: string): Promise<Found> {
    const place = await this.#locate(path);
    if (!Buffer.isBuffer(place)) return place;
    try {
      return found(lstatSync(place));
    } catch (error) {
      return missing(error, false);
    }
  }

  /** Opens the regular file at `path`; null if there is no readable one. */
  async openFile(path: string): Promise<FileHandle | null> {
    const place = await this.#locate(path);
    if (!Buffer.isBuffer(place)) return null;
    const handle = await open(place, O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch(() => null);
    if (handle === null || (await handle.stat()).isFile()) return handle;
    await handle.close();
    return null;
  }

  /**
   * Returns the blob id of a file of any size and its executable bit (of the owner); null if there
   * is none.
   */
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
   * Reads the regular file at `path` at once, with its executable bit (of the owner); null if it is
   * too large or missing.
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

  /** Returns the target of the symbolic link at `path`, or null. */
  async readLink(path: string): Promise<Buffer | null> {
    const place = await this.#locate(path);
    if (!Buffer.isBuffer(place)) return null;
    return readlink(place, { encoding: "buffer" }).catch(() => null);
  }

  /**
   * Returns a path that reaches the last component through its parent's open handle; `gone` if
   * impossible.
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
  // Opening a link as a folder without following gives ENOTDIR on Linux, ELOOP elsewhere.
  const link = parent && (code === "ENOTDIR" || code === "ELOOP");
  if (link || code === "ENOENT" || code === "ENOTDIR") return { kind: "gone", behindLink: link };
  throw error;
}
