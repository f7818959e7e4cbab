/** Finds API keys in content that is about to be committed. */
import { isWellFormed, keyLength } from "#shared/node/key-text.js";

/** A text in the form of a key, and its first position. */
export interface FoundToken {
  /** Display text. */
  path: string;
  /** Starts at 1. */
  line: number;
  text: string;
}

const NEWLINE = 0x0a;
/**
 * Maximum candidates per scan. No installation has this many keys in use: a longer list was
 * generated to make the lookup expensive, and the rest is dropped.
 */
export const MAX_FOUND = 10_000;

/**
 * Scans content in chunks and finds keys across chunk boundaries. The cost is a search for the
 * prefix, and a line count where it occurs.
 */
export class TokenScan {
  readonly #prefix: Buffer;
  readonly #length: number;
  readonly #keyPrefix: string;
  readonly #found = new Map<string, FoundToken[]>();
  #count = 0;

  /** @param keyPrefix the ASCII prefix of every key of the installation */
  constructor(keyPrefix: string) {
    this.#keyPrefix = keyPrefix;
    this.#prefix = Buffer.from(keyPrefix, "latin1");
    this.#length = keyLength(keyPrefix);
  }

  /** Whether nothing was found. */
  get isClean(): boolean {
    return this.#found.size === 0;
  }

  /** All candidates, in reading order. */
  get found(): FoundToken[] {
    return [...this.#found.values()].flat();
  }

  /**
   * Starts a file and forgets earlier candidates at its path; returns the function that takes its
   * chunks.
   */
  start(path: string): (piece: Buffer) => void {
    this.#count -= this.#found.get(path)?.length ?? 0;
    this.#found.delete(path);
    let rest: Buffer = Buffer.alloc(0);
    let linesBefore = 0;
    return (piece) => {
      const bytes = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
      let lines = linesBefore;
      let countedTo = 0;
      for (
        let at = bytes.indexOf(this.#prefix);
        at >= 0 && this.#count < MAX_FOUND;
        at = bytes.indexOf(this.#prefix, at + 1)
      ) {
        const text = bytes.toString("latin1", at, at + this.#length);
        if (!isWellFormed(this.#keyPrefix, text)) continue;
        lines += countLines(bytes, countedTo, at);
        countedTo = at;
        this.#add({ path, line: 1 + lines, text });
      }
      // Shorter than any key, so nothing is found twice.
      const kept = Math.min(bytes.length, this.#length - 1);
      linesBefore += countLines(bytes, 0, bytes.length - kept);
      rest = Buffer.from(bytes.subarray(bytes.length - kept));
    };
  }

  #add(token: FoundToken): void {
    this.#count += 1;
    const of = this.#found.get(token.path);
    if (of) of.push(token);
    else this.#found.set(token.path, [token]);
  }
}

function countLines(bytes: Buffer, from: number, end: number): number {
  let lines = 0;
  for (
    let at = bytes.indexOf(NEWLINE, from);
    at >= 0 && at < end;
    at = bytes.indexOf(NEWLINE, at + 1)
  ) {
    lines += 1;
  }
  return lines;
}
