/** Finds text in the changed lines between two trees. */
import { spawnGit } from "../process/run.js";
import { COMPARE, CONFIG, treeish } from "./diff.js";
import { unquote } from "./diff-reader.js";

/** A changed line with the text. Paths are display text. */
export interface DiffMatch {
  /** Path of the file now; of a deleted file, its former one. */
  path: string;
  side: "old" | "new";
  line: number;
  text: string;
}

export interface DiffSearch {
  text: string;
  /** Maximum number of matches. */
  limit: number;
  ignoreWhitespace?: boolean;
  signal?: AbortSignal;
}

/** Longer lines are searched, and shown, by their beginning; bytes. */
const MAX_LINE_BYTES = 64 * 1024;
const MAX_SHOWN = 400;
/** Maximum bytes of the diff that are searched. */
const MAX_BYTES = 64 * 1024 * 1024;

/**
 * Returns the first changed lines that contain a text, in the order of the diff: letters in either case, unless the
 * text has an uppercase one. `complete` is false if there may be more.
 * @throws GitError
 */
export async function searchDiff(
  repoPath: string,
  from: string | null,
  to: string,
  { text, limit, ignoreWhitespace = false, signal }: DiffSearch,
): Promise<{ matches: DiffMatch[]; complete: boolean }> {
  const how = ["--patch", "--unified=0", ...(ignoreWhitespace ? ["--ignore-all-space"] : [])];
  const args = [...COMPARE, ...how, "--end-of-options", treeish(from), treeish(to)];
  const child = spawnGit(args, {
    gitDir: repoPath,
    config: CONFIG,
    ...(signal === undefined ? {} : { signal }),
  });
  const reader = new MatchReader(text, limit);
  let bytes = 0;
  let complete = true;
  try {
    for await (const chunk of child.stdout) {
      reader.push(chunk as Buffer);
      bytes += (chunk as Buffer).length;
      if (!reader.isFull && bytes < MAX_BYTES) continue;
      complete = false;
      break;
    }
    if (complete) await child.done;
  } finally {
    child.kill();
  }
  return { matches: reader.matches, complete };
}

/** Reads a diff without context in chunks of any size. */
class MatchReader {
  readonly matches: DiffMatch[] = [];
  readonly #limit: number;
  readonly #contains: (line: string) => boolean;
  #partial: Buffer[] = [];
  #partialBytes = 0;
  #path = "";
  /** The next line of each side, and how many of the hunk are left. */
  #next = { old: 0, new: 0 };
  #left = { old: 0, new: 0 };

  constructor(text: string, limit: number) {
    this.#limit = limit;
    const isExact = /\p{Lu}/u.test(text);
    const wanted = isExact ? text : text.toLowerCase();
    this.#contains = (line) => (isExact ? line : line.toLowerCase()).includes(wanted);
  }

  get isFull(): boolean {
    return this.matches.length >= this.#limit;
  }

  push(chunk: Buffer): void {
    let start = 0;
    while (!this.isFull) {
      const end = chunk.indexOf(10, start);
      const piece = chunk.subarray(start, end === -1 ? chunk.length : end);
      const kept = piece.subarray(0, Math.max(0, MAX_LINE_BYTES - this.#partialBytes));
      if (kept.length > 0) this.#partial.push(Buffer.from(kept));
      this.#partialBytes += kept.length;
      if (end === -1) return;
      this.#line(Buffer.concat(this.#partial));
      this.#partial = [];
      this.#partialBytes = 0;
      start = end + 1;
    }
  }

  #line(bytes: Buffer): void {
    const sign = String.fromCharCode(bytes[0] ?? 0);
    // Lines of a hunk are counted: one of them may look like the head of a file.
    if (sign === "-" && this.#left.old > 0) return this.#changed("old", bytes);
    if (sign === "+" && this.#left.new > 0) return this.#changed("new", bytes);
    const line = bytes.toString("latin1");
    const head = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@/.exec(line);
    if (head) {
      this.#next = { old: Number(head[1]), new: Number(head[3]) };
      this.#left = { old: Number(head[2] ?? 1), new: Number(head[4] ?? 1) };
    } else if (line.startsWith("--- ") || line.startsWith("+++ ")) {
      const path = pathOf(line.slice(4));
      if (path !== null) this.#path = path;
    }
    return undefined;
  }

  #changed(side: "old" | "new", bytes: Buffer): void {
    const line = this.#next[side];
    this.#next[side] += 1;
    this.#left[side] -= 1;
    const text = bytes.toString("utf8", 1);
    if (!this.#contains(text)) return;
    this.matches.push({ path: this.#path, side, line, text: text.slice(0, MAX_SHOWN) });
  }
}

/** Returns the path of a side of a file; null if it does not exist on it. */
function pathOf(name: string): string | null {
  // git marks the end of a name with spaces by a tab.
  const path = unquote(name.replace(/\t$/, ""));
  return path === "/dev/null" ? null : path.slice(2);
}
