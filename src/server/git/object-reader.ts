/** Looking objects up in a repository without starting git for each question. */
import { spawnGit, GitError, type GitProcess } from "./run.js";

/** An object by the name it was asked for. */
export interface FoundObject {
  oid: string;
  type: string;
  /** Null where only its kind was asked for. */
  content: Buffer | null;
}

/** How long a git waits for another question, in milliseconds. */
const IDLE_MS = 2000;
/** How long questions may take together. */
const ANSWER_MS = 60_000;
/** How many repositories have one at a time; the one that was asked longest ago ends first. */
const MOST = 16;

const readers = new Map<string, Reader>();

/**
 * Finds objects by their names as git understands them (`<commit>:folder/`, `refs/heads/main^{commit}`),
 * in their order; null for those that are not there. Names are bytes in latin1 strings, without NUL. One
 * git answers for a repository as long as it is asked, and a name is looked up when it is asked for: what
 * was stored or moved before is seen.
 *
 * Throws a GitError.
 */
export function readObjects(
  store: string,
  names: readonly string[],
  what: "contents" | "info",
): Promise<(FoundObject | null)[]> {
  if (names.length === 0) return Promise.resolve([]);
  let reader = readers.get(store);
  readers.delete(store);
  if (reader?.isOver !== false) reader = new Reader(store);
  readers.set(store, reader);
  for (const [other, one] of readers) {
    if (readers.size <= MOST) break;
    readers.delete(other);
    one.endWhenIdle();
  }
  return reader.ask(names, what);
}

interface Question {
  names: readonly string[];
  found: (FoundObject | null)[];
  withContent: boolean;
  resolve: (found: (FoundObject | null)[]) => void;
  reject: (error: unknown) => void;
}

/** `git cat-file --batch-command` on one repository: questions are answered in their order. */
class Reader {
  readonly #git: GitProcess;
  readonly #store: string;
  #open: Question[] = [];
  #chunks: Buffer[] = [];
  #size = 0;
  /** How many bytes are needed before there is anything new to read. */
  #needed = 1;
  #timer: NodeJS.Timeout | undefined;
  #ends = false;
  isOver = false;

  constructor(store: string) {
    this.#store = store;
    this.#git = spawnGit(["cat-file", "--batch-command", "-Z"], {
      gitDir: store,
      stdin: "pipe",
      timeoutMs: 0,
    });
    this.#git.stdout.on("data", (chunk: Buffer) => this.#take(chunk));
    this.#git.done.then(
      () => this.#fail(new GitError("exit", 0, "ended while it was asked", ["cat-file"])),
      (error: unknown) => this.#fail(error),
    );
  }

  ask(names: readonly string[], what: "contents" | "info"): Promise<(FoundObject | null)[]> {
    return new Promise((resolve, reject) => {
      const withContent = what === "contents";
      this.#open.push({ names, found: [], withContent, resolve, reject });
      if (this.#open.length === 1) this.#watch();
      const text = names.map((name) => `${what} ${name}\0`).join("");
      this.#git.stdin?.write(Buffer.from(text, "latin1"));
    });
  }

  endWhenIdle(): void {
    this.#ends = true;
    if (this.#open.length === 0) this.#end();
  }

  #watch(): void {
    clearTimeout(this.#timer);
    if (this.#open.length === 0) {
      this.#timer = setTimeout(() => this.#end(), IDLE_MS);
    } else {
      const late = () => this.#fail(new GitError("timeout", null, "", ["cat-file"]));
      this.#timer = setTimeout(late, ANSWER_MS);
    }
  }

  #end(): void {
    this.isOver = true;
    this.#git.stdin?.end();
  }

  #fail(error: unknown): void {
    clearTimeout(this.#timer);
    this.isOver = true;
    if (readers.get(this.#store) === this) readers.delete(this.#store);
    this.#git.kill();
    const open = this.#open;
    this.#open = [];
    for (const { reject } of open) reject(error);
  }

  #take(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    if (this.#size < this.#needed) return;
    const bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#size);
    let at = 0;
    for (let next = this.#next(bytes, at); next !== null; next = this.#next(bytes, at)) at = next;
    this.#chunks = at < bytes.length ? [bytes.subarray(at)] : [];
    this.#size = bytes.length - at;
    if (this.#open.length === 0 && this.#ends) this.#end();
    else this.#watch();
  }

  /** Reads one answer and gives where the next begins; null where it is not there whole. */
  #next(bytes: Buffer, at: number): number | null {
    const [question] = this.#open;
    const end = bytes.indexOf(0, at);
    this.#needed = 1;
    if (question === undefined || end < 0) return null;
    const [, oid, type, size] =
      /^([0-9a-f]{40}) (\w+) (\d+)$/.exec(bytes.toString("latin1", at, end)) ?? [];
    let next = end + 1;
    if (oid === undefined || type === undefined) {
      question.found.push(null);
    } else if (question.withContent) {
      next += Number(size) + 1;
      if (next > bytes.length) {
        this.#needed = next - at;
        return null;
      }
      // A copy, so that what is kept of it does not keep all that came with it.
      const content = Buffer.from(bytes.subarray(end + 1, next - 1));
      question.found.push({ oid, type, content });
    } else {
      question.found.push({ oid, type, content: null });
    }
    if (question.found.length === question.names.length) {
      this.#open.shift();
      question.resolve(question.found);
    }
    return next;
  }
}
