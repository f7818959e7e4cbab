/**
 * A folder held open while it is walked. Every step goes from the folder before, without following
 * links, so that whoever writes there at this moment cannot lead the walk elsewhere. Names are bytes
 * in latin1 strings. Its calls take microseconds and are made at once, not handed to a thread.
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
/** Where it is missing (not Linux), plain paths are used, and swapped parents are not noticed. */
const BY_HANDLE = existsSync("/proc/self/fd");

export class FolderHandle {
  readonly #fd: number;
  readonly #path: Buffer;

  private constructor(path: Buffer) {
    this.#fd = openSync(path, FOLDER);
    this.#path = BY_HANDLE ? Buffer.from(`/proc/self/fd/${this.#fd}`) : path;
  }

  /** Opens the folder at an absolute path; throws where a link or something else is there. */
  static open(path: string): FolderHandle {
    return new FolderHandle(Buffer.from(path));
  }

  /** Opens the folder `name` in this one; null where a link, something else or nothing is there. */
  openChild(name: string): FolderHandle | null {
    try {
      return new FolderHandle(this.#at(name));
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? "";
      if (["ENOENT", "ENOTDIR", "ELOOP"].includes(code)) return null;
      throw error;
    }
  }

  /** What is in it, in no order. */
  list(): Dirent[] {
    // Its own type knows names of text or of bytes, not bytes in latin1.
    return readdirSync(this.#path, {
      withFileTypes: true,
      encoding: "latin1",
    } as never) as unknown as Dirent[];
  }

  /** The folder itself. */
  stats(): Stats {
    return fstatSync(this.#fd);
  }

  /** What is at `name`, not followed; null where there is nothing. */
  find(name: string): Stats | null {
    return lstatSync(this.#at(name), { throwIfNoEntry: false }) ?? null;
  }

  /** Gives what is at `name`, not followed, to somebody. */
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
 * A position in a tree of folders, which holds one handle however deep it is. The way up is `..`, which
 * must be the folder that the way down came from.
 */
export class FolderCursor {
  #at: FolderHandle;
  readonly #above: Pick<Stats, "dev" | "ino">[] = [];

  constructor(root: FolderHandle) {
    this.#at = root;
  }

  /** The folder at the position. */
  get folder(): FolderHandle {
    return this.#at;
  }

  /** The names in the folder, in no order. */
  names(): string[] {
    return this.#at.list().map(({ name }) => name);
  }

  /** Moves into the folder `name`; false, and no move, where it is none. */
  enter(name: string): boolean {
    const child = this.#at.openChild(name);
    if (child === null) return false;
    this.#above.push(this.#at.stats());
    this.close();
    this.#at = child;
    return true;
  }

  /** Moves back up. @throws FolderMovedError */
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

/** A folder was moved while it was walked through. */
export class FolderMovedError extends Error {
  override readonly name = "FolderMovedError";

  constructor() {
    super("a folder was moved while it was read");
  }
}

/** Whose files are: numbers of the system. */
export interface Owner {
  uid: number;
  gid: number;
}

/** How many things are looked at before other work gets its turn. */
const TURN = 256;

/** Lets other work have its turn now and then, while a walk goes on. */
export function pauses(): () => Promise<void> {
  let looked = 0;
  return async () => {
    looked += 1;
    if (looked % TURN === 0) await new Promise((resolve) => setImmediate(resolve));
  };
}
