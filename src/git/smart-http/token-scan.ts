/** Finding API keys in what is about to be committed. */
import { isWellFormed, keyLength } from "#shared/node/key-text.js";

/** A text with the form of a key, and its first place. */
export interface FoundToken {
  /** As people read it. */
  path: string;
  /** From 1 on. */
  line: number;
  text: string;
}

const NEWLINE = 0x0a;
/**
 * Texts that one scan keeps. An installation has fewer keys in use: a longer list was computed to make the
 * look-up expensive, and its rest is left out.
 */
export const MAX_FOUND = 10_000;

/**
 * Looks through contents as they are read, piece by piece: a key that is cut in two by a piece's end
 * is found, too. It costs a search for the prefix, and a count of lines where there is one.
 */
export class TokenScan {
  readonly #prefix: Buffer;
  readonly #length: number;
  readonly #keyPrefix: string;
  readonly #found = new Map<string, FoundToken[]>();
  #count = 0;

  /** @param keyPrefix what each key of the installation begins with, in ASCII */
  constructor(keyPrefix: string) {
    this.#keyPrefix = keyPrefix;
    this.#prefix = Buffer.from(keyPrefix, "latin1");
    this.#length = keyLength(keyPrefix);
  }

  /** Whether nothing was found. */
  get isClean(): boolean {
    return this.#found.size === 0;
  }

  /** All that was found, in the order of reading. */
  get found(): FoundToken[] {
    return [...this.#found.values()].flat();
  }

  /** Begins with a content, anew where it was read before; answers what is to be given its pieces. */
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
      // So short that no whole key is in it: nothing is found twice.
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
