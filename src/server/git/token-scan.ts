/** Finding secrets of a known form in what is about to be committed. */

/** How a secret looks, as far as its text tells. */
export interface TokenForm {
  /** What each begins with, in ASCII. */
  prefix: string;
  /** Characters of a whole one. */
  length: number;
  /** Whether a text of that length is one. */
  isToken(text: string): boolean;
}

/** A secret, and where it stands. */
export interface FoundToken {
  /** As people read it. */
  path: string;
  /** From 1 on. */
  line: number;
  text: string;
}

const NEWLINE = 0x0a;

/**
 * Looks through contents as they are read, piece by piece: a secret that is cut in two by a piece's end
 * is found, too. It costs a search for the prefix, and a count of lines where there is one.
 */
export class TokenScan {
  readonly #form: TokenForm;
  readonly #prefix: Buffer;
  readonly #found = new Map<string, FoundToken[]>();

  constructor(form: TokenForm) {
    this.#form = form;
    this.#prefix = Buffer.from(form.prefix, "latin1");
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
    this.#found.delete(path);
    let rest: Buffer = Buffer.alloc(0);
    let linesBefore = 0;
    return (piece) => {
      const bytes = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
      for (
        let at = bytes.indexOf(this.#prefix);
        at >= 0;
        at = bytes.indexOf(this.#prefix, at + 1)
      ) {
        const text = bytes.toString("latin1", at, at + this.#form.length);
        if (text.length < this.#form.length || !this.#form.isToken(text)) continue;
        const line = 1 + linesBefore + countLines(bytes, at);
        this.#add({ path, line, text });
      }
      // So short that no whole secret is in it: nothing is found twice.
      const kept = Math.min(bytes.length, this.#form.length - 1);
      linesBefore += countLines(bytes, bytes.length - kept);
      rest = Buffer.from(bytes.subarray(bytes.length - kept));
    };
  }

  #add(token: FoundToken): void {
    const of = this.#found.get(token.path);
    if (of) of.push(token);
    else this.#found.set(token.path, [token]);
  }
}

function countLines(bytes: Buffer, end: number): number {
  let lines = 0;
  for (let at = bytes.indexOf(NEWLINE); at >= 0 && at < end; at = bytes.indexOf(NEWLINE, at + 1)) {
    lines += 1;
  }
  return lines;
}
