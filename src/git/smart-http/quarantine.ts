/**
 * The quarantine of a push: a bare repository inside the project's repository that borrows its
 * objects. The push reads it like a repository; nothing else does, and its objects enter the
 * repository only through `migrate`.
 */
import { randomUUID } from "node:crypto";
import { lstat, mkdir, open, readdir, rename, writeFile } from "node:fs/promises";
import { createReadStream } from "node:fs";
import { dirname, join } from "node:path";
import { HARMLESS_FAULTS } from "../store/bare-repository.js";
import { exists, removeTree } from "../files/atomic-directory.js";
import { withObjectFolder } from "../objects/loose-object.js";
import { stopObjectReader } from "../objects/object-reader.js";
import { git, GitError, spawnGit } from "../process/run.js";

/** The objects of a push are rejected; the message is for the pusher. */
export class PackRefusedError extends Error {
  override readonly name = "PackRefusedError";
}

/** Options for receiving a pack. */
export interface ReceiveOptions {
  /**
   * Whether the pack must be self-contained, for a pusher who cannot read the whole repository.
   * Deltas then apply only to objects in the pack, and no reply distinguishes a hidden object from
   * a missing one. `inspectPush` finds missing objects.
   */
  isAlone: boolean;
  maxBytes: number;
  signal: AbortSignal;
}

const FOLDER = "incoming";
/** Smaller pushes are stored as loose objects, so that packs do not pile up (as git does). */
const UNPACK_LIMIT = 100;
/**
 * Maximum objects per push: the ids of a pusher with partial access are kept in memory. Imports
 * have no such limit.
 */
const MAX_OBJECTS = 1_000_000;
/** fsck faults about referenced objects that a self-contained pack may lack. */
const FAULTS_ALONE = ["gitmodulesMissing", "gitattributesMissing"];
/** Memory limit for one object, however small its delta is. */
const ALLOC_LIMIT = "512m";

/** The received objects of a push. Always discard it, whatever the outcome. */
export class Quarantine {
  readonly repoPath: string;
  /** The quarantine's repository, readable like any other. */
  readonly path: string;
  #objects = 0;

  private constructor(repoPath: string) {
    this.repoPath = repoPath;
    this.path = join(repoPath, FOLDER, randomUUID());
  }

  /**
   * Creates an empty quarantine; throws the system error (no space) and then leaves nothing behind.
   */
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
   * Receives a pack and runs fsck on every object. Unless the pack must be self-contained, all
   * referenced objects must exist. Reads to the end of the pack even after a rejection, so that the
   * client receives the reason.
   * @throws PackRefusedError
   * @throws GitError if git fails for another reason
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
          `the pack contains more than ${MAX_OBJECTS} objects; push fewer commits at once, or import the repository`,
        );
      }
      if (!(error instanceof GitError) || error.reason !== "exit") throw error;
      throw refusalOf(error, options.maxBytes) ?? error;
    }
  }

  /** Returns the ids of the received objects, without those that git added to complete deltas. */
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

  /** Moves the objects into the repository, where no reference names them yet. Idempotent. */
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
    // The index comes last: it makes the pack visible to git.
    const names = (await readdir(this.#at("pack"))).sort(
      (a, b) => Number(a.endsWith(".idx")) - Number(b.endsWith(".idx")),
    );
    for (const name of names) await moveInto(this.#at("pack", name), join(objects, "pack", name));
  }

  async discard(): Promise<void> {
    await stopObjectReader(this.path);
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
    // git does not write objects that it finds in a pack.
    const aside = join(this.path, name);
    await rename(this.#at("pack", name), aside);
    await removeTree(this.#at("pack"));
    await mkdir(this.#at("pack"));
    await git(["unpack-objects", "-q"], {
      gitDir: this.path,
      input: createReadStream(aside),
      timeoutMs: 10 * 60_000,
      // As durable as the pack, which git had flushed.
      config: [
        ["core.fsync", "committed,loose-object"],
        ["core.fsyncMethod", "batch"],
      ],
    });
  }
}

/** Reads the object count of a pack header: "PACK", the version, the count (gitformat-pack(5)). */
class PackHeader {
  objects = 0;
  #bytes = Buffer.alloc(0);

  read(chunk: Buffer): void {
    if (this.#bytes.length >= 12) return;
    this.#bytes = Buffer.concat([this.#bytes, chunk.subarray(0, 12)]);
    if (this.#bytes.length >= 12) this.objects = this.#bytes.readUInt32BE(8);
  }
}

/** Moves an object file; an existing file is the same object. */
async function moveInto(from: string, to: string): Promise<void> {
  if (!(await exists(to))) await withObjectFolder(dirname(to), () => rename(from, to));
}

/**
 * Removes quarantines that pushes left whose process ended. Returns their number.
 * @param before in milliseconds of `Date.now()`: later ones stay
 */
export async function removeQuarantines(repoPath: string, before: number): Promise<number> {
  let removed = 0;
  for (const name of await readdir(join(repoPath, FOLDER)).catch(() => [] as string[])) {
    const path = join(repoPath, FOLDER, name);
    const stats = await lstat(path).catch(() => null);
    if (stats === null || stats.mtimeMs > before) continue;
    await removeTree(path);
    removed += 1;
  }
  return removed;
}

/** The error for missing and for hidden objects; the pusher cannot tell them apart. */
export function incompletePack(): PackRefusedError {
  return new PackRefusedError(
    "the pack is incomplete: it references objects that it does not contain and that you cannot read here; fetch and push again (in a shallow clone: git fetch --unshallow)",
  );
}

/** Translates git's error for the pusher; null for a fault of the server. */
function refusalOf({ stderr }: GitError, maxBytes: number): PackRefusedError | null {
  if (OF_THE_SERVER.test(stderr)) return null;
  if (stderr.includes("exceeds maximum allowed size")) {
    return new PackRefusedError(
      `the pack is larger than ${Math.floor(maxBytes / 1024 / 1024)} MiB; push less at once, or raise OMOI_MAX_PUSH_MIB on the server`,
    );
  }
  if (/attempting to allocate|Out of memory/i.test(stderr)) {
    return new PackRefusedError("the pack or one of its objects is too large");
  }
  const fault = /(?:object )?([0-9a-f]{40}): (\w+: [^\n]*)/.exec(stderr);
  if (fault !== null) {
    return new PackRefusedError(`git rejects the object ${fault[1]}: ${fault[2]}`);
  }
  if (/unresolved delta|did not receive expected|of expected type missing/.test(stderr)) {
    return incompletePack();
  }
  return new PackRefusedError("the pack is damaged; push again");
}

const OF_THE_SERVER =
  /No space left|Out of diskspace|Disk quota|Permission denied|Read-only|Too many open files|(?:unable to|cannot) (?:write|create|open|fsync|rename|store)/i;
