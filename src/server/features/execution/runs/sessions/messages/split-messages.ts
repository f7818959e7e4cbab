/** Splits the output of a program into lines, which it neither decodes nor parses. */

/** Maximum size of one message of a program. */
export const MAX_MESSAGE_BYTES = 2 * 1024 * 1024;
/** Lines that are read at once: some milliseconds of work, for which all other organizations wait at most. */
export const MAX_BATCH = 200;
const NEWLINE = 10;

/** A program sent a message of more than `MAX_MESSAGE_BYTES`. */
export class MessageTooLargeError extends Error {
  override readonly name = "MessageTooLargeError";
}

/** Complete lines with their ends. */
export interface Batch {
  lines: Buffer;
  /** Empty lines count, too. */
  count: number;
}

export class MessageSplitter {
  /** The beginning of a line, in a buffer that grows by doubling: a program may send single bytes. */
  #begun = Buffer.alloc(0);
  #length = 0;

  /** Yields the lines that are complete with a chunk. @throws MessageTooLargeError */
  *take(chunk: Buffer): Generator<Batch> {
    let [from, count, line] = [0, 0, -this.#length];
    for (let at = 0; at < chunk.length; at += 1) {
      if (chunk[at] !== NEWLINE) continue;
      if (at - line > MAX_MESSAGE_BYTES) throw new MessageTooLargeError();
      line = at + 1;
      count += 1;
      if (count < MAX_BATCH) continue;
      yield { lines: this.#join(chunk.subarray(from, line)), count };
      [from, count] = [line, 0];
    }
    if (count > 0) yield { lines: this.#join(chunk.subarray(from, line)), count };
    this.#keep(chunk.subarray(Math.max(0, line)));
  }

  /** Yields the last line, which may lack its end. */
  *rest(): Generator<Batch> {
    if (this.#length > 0) yield* this.take(Buffer.from([NEWLINE]));
  }

  #join(lines: Buffer): Buffer {
    if (this.#length === 0) return lines;
    const joined = Buffer.concat([this.#begun.subarray(0, this.#length), lines]);
    this.#begun = Buffer.alloc(0);
    this.#length = 0;
    return joined;
  }

  #keep(piece: Buffer): void {
    const length = this.#length + piece.length;
    if (length > MAX_MESSAGE_BYTES) throw new MessageTooLargeError();
    if (length > this.#begun.length) {
      const grown = Buffer.alloc(Math.max(length, 2 * this.#begun.length));
      this.#begun.copy(grown, 0, 0, this.#length);
      this.#begun = grown;
    }
    piece.copy(this.#begun, this.#length);
    this.#length = length;
  }
}
