/**
 * Walks folders by open handles. Every step starts at the previous handle and follows no links, so
 * that a concurrent writer cannot redirect the walk. Names are latin1 bytes. Calls take
 * microseconds and run synchronously: handing them to a thread would take longer.
 */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lchownSync,
  lstatSync,
  openSync,
  readdirSync,
  type Dirent,
  type Stats,
} from "node:fs";

const FOLDER = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
/** Without /proc (not Linux), plain paths are used, and swapped parents go unnoticed. */
const BY_HANDLE = existsSync("/proc/self/fd");

export class FolderHandle {
  readonly #fd: number;
  readonly #path: Buffer;

  private constructor(path: Buffer) {
    this.#fd = openSync(path, FOLDER);
    this.#path = BY_HANDLE ? Buffer.from(`/proc/self/fd/${this.#fd}`) : path;
  }

  /** Opens the folder at an absolute path; throws for a link or anything else. */
  static open(path: string): FolderHandle {
    return new FolderHandle(Buffer.from(path));
  }

  /** Opens the subfolder `name`; null for a link, anything else or nothing. */
  openChild(name: string): FolderHandle | null {
    try {
      return new FolderHandle(this.#at(name));
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? "";
      if (["ENOENT", "ENOTDIR", "ELOOP"].includes(code)) return null;
      throw error;
    }
  }

  /** Lists its entries, unordered. */
  list(): Dirent[] {
    // Node's type for entries knows text and buffers, not latin1 strings.
    return readdirSync(this.#path, {
      withFileTypes: true,
      encoding: "latin1",
    } as never) as unknown as Dirent[];
  }

  /** The stats of the folder itself. */
  stats(): Stats {
    return fstatSync(this.#fd);
  }

  /** The stats of the entry `name`, not followed; null if missing. */
  find(name: string): Stats | null {
    return lstatSync(this.#at(name), { throwIfNoEntry: false }) ?? null;
  }

  /** Changes the owner of the entry `name`, not followed. */
  give(name: string, owner: Owner): void {
    lchownSync(this.#at(name), owner.uid, owner.gid);
  }

  close(): void {
    closeSync(this.#fd);
  }

  #at(name: string): Buffer {
    return Buffer.concat([this.#path, Buffer.from(`/${name}`, "latin1")]);
  }
}

/**
 * A position in a tree of folders that holds one handle at any depth. It moves up by `..`, which
 * must be the folder that it came from.
 */
export class FolderCursor {
  #at: FolderHandle;
  readonly #above: Pick<Stats, "dev" | "ino">[] = [];

  private constructor(root: FolderHandle) {
    this.#at = root;
  }

  /** Starts at an absolute path; throws for a link or anything else but a folder. */
  static open(path: string): FolderCursor {
    return new FolderCursor(FolderHandle.open(path));
  }

  /** The folder at the position. */
  get folder(): FolderHandle {
    return this.#at;
  }

  /** The names in the folder, unordered. */
  names(): string[] {
    return this.#at.list().map(({ name }) => name);
  }

  /** Moves into the subfolder `name`; returns false and stays if it is not a folder. */
  enter(name: string): boolean {
    const child = this.#at.openChild(name);
    if (child === null) return false;
    this.#above.push(this.#at.stats());
    this.close();
    this.#at = child;
    return true;
  }

  /** Moves up. @throws FolderMovedError */
  leave(): void {
    const parent = this.#at.openChild("..");
    const [from, to] = [this.#above.pop(), parent?.stats()];
    if (parent === null || from?.dev !== to?.dev || from?.ino !== to?.ino) {
      parent?.close();
      throw new FolderMovedError();
    }
    this.close();
    this.#at = parent;
  }

  close(): void {
    this.#at.close();
  }
}

/** A folder was moved during the walk. */
export class FolderMovedError extends Error {
  override readonly name = "FolderMovedError";

  constructor() {
    super("a folder was moved while it was read");
  }
}

/** Numeric user and group ids. */
export interface Owner {
  uid: number;
  gid: number;
}

/** Entries per turn of the event loop. */
const TURN = 256;

/** Returns a function that yields to the event loop now and then. */
export function pauses(): () => Promise<void> {
  let looked = 0;
  return async () => {
    looked += 1;
    if (looked % TURN === 0) await new Promise((resolve) => setImmediate(resolve));
  };
}
