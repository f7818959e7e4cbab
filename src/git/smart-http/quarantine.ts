/**
 * Where a push lies until it is taken: a bare repository of its own inside the store's folder, which
 * borrows the store's objects. Whatever reads a store reads it too; nothing reads it but the push
 * itself, and nothing of it is in the store before `migrate`.
 */
import { randomUUID } from "node:crypto";
import { lstat, mkdir, open, readdir, rename, writeFile } from "node:fs/promises";
import { createReadStream } from "node:fs";
import { dirname, join } from "node:path";
import { HARMLESS_FAULTS } from "../store/bare-repository.js";
import { exists, removeTree } from "../worktree/atomic-directory.js";
import { intoFolder } from "../objects/loose-object.js";
import { endReader } from "../objects/object-reader.js";
import { git, GitError, spawnGit } from "../process/run.js";

/** A push's objects are not taken; the message is for whoever pushed. */
export class PackRefusedError extends Error {
  override readonly name = "PackRefusedError";
}

/** How a pack is received. */
export interface ReceiveOptions {
  /**
   * Whether the pack is checked without the store's objects, for who does not see them all: deltas stand on
   * nothing else, and no answer tells an object that is hidden from one that does not exist. What the pack
   * leaves out shows in `inspectPush`.
   */
  isAlone: boolean;
  maxBytes: number;
  signal: AbortSignal;
}

const FOLDER = "incoming";
/** Below this many objects they are stored one by one, so that packs do not pile up (as git does). */
const UNPACK_LIMIT = 100;
/** Objects of one push: what whoever reads less than all brings is held by its ids. Imports have no limit. */
const MAX_OBJECTS = 1_000_000;
/** Faults of objects that name others which the pack need not bring. */
const FAULTS_ALONE = ["gitmodulesMissing", "gitattributesMissing"];
/** One object may not take more memory than this, however small its delta is. */
const ALLOC_LIMIT = "512m";

/** Objects that came with a push. Discard it, whatever becomes of the push. */
export class Quarantine {
  readonly repoPath: string;
  /** The repository, to be read as a store. */
  readonly path: string;
  #objects = 0;

  private constructor(repoPath: string) {
    this.repoPath = repoPath;
    this.path = join(repoPath, FOLDER, randomUUID());
  }

  /** Makes an empty one; throws what the system says (no space), and then leaves nothing. */
  static async open(repoPath: string): Promise<Quarantine> {
    const quarantine = new Quarantine(repoPath);
    const { path } = quarantine;
    try {
      await mkdir(join(path, "objects/info"), { recursive: true });
      await mkdir(join(path, "objects/pack"));
      await mkdir(join(path, "refs"));
      await writeFile(join(path, "HEAD"), "ref: refs/heads/none\n");
      const config = "[core]\n\trepositoryformatversion = 0\n\tbare = true\n";
      await writeFile(join(path, "config"), config);
    } catch (error) {
      await quarantine.discard();
      throw error;
    }
    return quarantine;
  }

  async #borrow(): Promise<void> {
    await writeFile(this.#at("info/alternates"), "../../../objects\n");
  }

  /**
   * Receives a pack, whose every object is checked by fsck and, unless it is checked alone, has all that it
   * names. Reads to the end of the pack also where it is refused, so that the client hears why.
   * @throws PackRefusedError; a GitError where git cannot do its work
   */
  async receive(pack: AsyncGenerator<Buffer>, options: ReceiveOptions): Promise<void> {
    const { isAlone } = options;
    const ignored = [...HARMLESS_FAULTS, ...(isAlone ? FAULTS_ALONE : [])];
    const faults = ignored.map((fault) => `${fault}=ignore`).join(",");
    const check = isAlone ? [`--fsck-objects=${faults}`] : [`--strict=${faults}`, "--fix-thin"];
    const args = ["index-pack", "--stdin", "--threads=1", `--max-input-size=${options.maxBytes}`];
    if (!isAlone) await this.#borrow();
    const child = spawnGit([...args, ...check], {
      gitDir: this.path,
      stdin: "pipe",
      timeoutMs: 0,
      signal: options.signal,
      background: true,
      env: { GIT_ALLOC_LIMIT: ALLOC_LIMIT },
      // Large files are streamed, not held in memory.
      config: [["core.bigFileThreshold", "16m"]],
    });
    const { stdin } = child;
    if (stdin === null) throw new Error("git was started without an input");
    child.stdout.resume();
    let isOver = false;
    let wake = (): void => {};
    stdin.on("drain", () => wake());
    const over = child.done
      .catch(() => undefined)
      .then(() => {
        isOver = true;
        wake();
      });
    const header = new PackHeader();
    try {
      for await (const chunk of pack) {
        header.read(chunk);
        if (header.objects > MAX_OBJECTS) child.kill();
        if (isOver || stdin.write(chunk)) continue;
        await new Promise<void>((resolve) => {
          wake = resolve;
          if (isOver) resolve();
        });
      }
      stdin.end();
      await child.done;
      this.#objects = await this.#countObjects();
      if (isAlone) await this.#borrow();
    } catch (error) {
      child.kill();
      await over;
      if (header.objects > MAX_OBJECTS) {
        throw new PackRefusedError(
          `it holds more than ${MAX_OBJECTS} objects; push fewer commits at once, or import the repository`,
        );
      }
      if (!(error instanceof GitError) || error.reason !== "exit") throw error;
      throw refusalOf(error, options.maxBytes) ?? error;
    }
  }

  /** The ids of the objects that came, without those that git put beside them to complete deltas. */
  async objectIds(): Promise<Set<string>> {
    const ids = new Set<string>();
    for (const name of await readdir(this.#at("pack"))) {
      if (!name.endsWith(".idx")) continue;
      const input = createReadStream(this.#at("pack", name));
      const { stdout } = await git(["show-index"], {
        gitDir: this.path,
        input,
        maxOutputBytes: 1024 ** 3,
      });
      for (const line of stdout.toString("latin1").split("\n")) {
        const id = line.split(" ")[1];
        if (id !== undefined) ids.add(id);
      }
    }
    return ids;
  }

  /** Puts the objects into the store: no reference names them yet. May be repeated. */
  async migrate(): Promise<void> {
    if (this.#objects > 0 && this.#objects < UNPACK_LIMIT) await this.#unpack();
    const objects = join(this.repoPath, "objects");
    for (const folder of await readdir(this.#at())) {
      if (!/^[0-9a-f]{2}$/.test(folder)) continue;
      for (const name of await readdir(this.#at(folder))) {
        await moveInto(this.#at(folder, name), join(objects, folder, name));
      }
    }
    if (this.#objects < UNPACK_LIMIT) return;
    // The index comes last: with it git finds the pack.
    const names = (await readdir(this.#at("pack"))).sort(
      (one, other) => Number(one.endsWith(".idx")) - Number(other.endsWith(".idx")),
    );
    for (const name of names) await moveInto(this.#at("pack", name), join(objects, "pack", name));
  }

  async discard(): Promise<void> {
    await endReader(this.path);
    await removeTree(this.path);
  }

  #at(...names: string[]): string {
    return join(this.path, "objects", ...names);
  }

  async #packFile(): Promise<string | undefined> {
    const names = await readdir(this.#at("pack"));
    return names.find((name) => name.endsWith(".pack"));
  }

  async #countObjects(): Promise<number> {
    const name = await this.#packFile();
    if (name === undefined) return 0;
    const file = await open(this.#at("pack", name));
    try {
      // "PACK", the version, the count (gitformat-pack(5)).
      const { buffer } = await file.read(Buffer.alloc(12), 0, 12, 0);
      return buffer.readUInt32BE(8);
    } finally {
      await file.close();
    }
  }

  async #unpack(): Promise<void> {
    const name = await this.#packFile();
    if (name === undefined) return;
    // git does not write what it finds in a pack.
    const aside = join(this.path, name);
    await rename(this.#at("pack", name), aside);
    await removeTree(this.#at("pack"));
    await mkdir(this.#at("pack"));
    await git(["unpack-objects", "-q"], {
      gitDir: this.path,
      input: createReadStream(aside),
      timeoutMs: 10 * 60_000,
      // As safe as the pack was, which git had flushed.
      config: [
        ["core.fsync", "committed,loose-object"],
        ["core.fsyncMethod", "batch"],
      ],
    });
  }
}

/** Reads the number of objects that a pack claims: "PACK", the version, the count (gitformat-pack(5)). */
class PackHeader {
  objects = 0;
  #bytes = Buffer.alloc(0);

  read(chunk: Buffer): void {
    if (this.#bytes.length >= 12) return;
    this.#bytes = Buffer.concat([this.#bytes, chunk.subarray(0, 12)]);
    if (this.#bytes.length >= 12) this.objects = this.#bytes.readUInt32BE(8);
  }
}

/** Moves a file of objects; one that is there already is the same object. */
async function moveInto(from: string, to: string): Promise<void> {
  if (!(await exists(to))) await intoFolder(dirname(to), () => rename(from, to));
}

/**
 * Removes quarantines that are older than `olderThanMs`: of pushes that ended with their process.
 * Answers how many there were.
 */
export async function removeQuarantines(repoPath: string, olderThanMs: number): Promise<number> {
  let removed = 0;
  for (const name of await readdir(join(repoPath, FOLDER)).catch(() => [] as string[])) {
    const path = join(repoPath, FOLDER, name);
    const stats = await lstat(path).catch(() => null);
    if (stats === null || stats.mtimeMs > Date.now() - olderThanMs) continue;
    await removeTree(path);
    removed += 1;
  }
  return removed;
}

/** One answer for objects that do not exist and for those that are hidden from whoever pushes. */
export function notWhole(): PackRefusedError {
  return new PackRefusedError(
    "it is not whole: it names objects that it does not bring and that you cannot read here; fetch, and push again (of a shallow clone: git fetch --unshallow)",
  );
}

/** What git's complaint means to whoever pushed; null where it is of the server. */
function refusalOf({ stderr }: GitError, maxBytes: number): PackRefusedError | null {
  if (OF_THE_SERVER.test(stderr)) return null;
  if (stderr.includes("exceeds maximum allowed size")) {
    return new PackRefusedError(
      `it is larger than ${Math.floor(maxBytes / 1024 / 1024)} MiB; push less at once, or have OMOI_MAX_PUSH_MIB raised`,
    );
  }
  if (/attempting to allocate|Out of memory/i.test(stderr)) {
    return new PackRefusedError("it is too large, or one of its objects is");
  }
  const fault = /(?:object )?([0-9a-f]{40}): (\w+: [^\n]*)/.exec(stderr);
  if (fault !== null) {
    return new PackRefusedError(`git refuses the object ${fault[1]}: ${fault[2]}`);
  }
  if (/unresolved delta|did not receive expected|of expected type missing/.test(stderr)) {
    return notWhole();
  }
  return new PackRefusedError("it is damaged; push again");
}

const OF_THE_SERVER =
  /No space left|Out of diskspace|Disk quota|Permission denied|Read-only|Too many open files|(?:unable to|cannot) (?:write|create|open|fsync|rename|store)/i;
