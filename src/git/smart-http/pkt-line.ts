/** git's frames, the pkt-lines: a length in four hexadecimal digits and the bytes (gitprotocol-common(5)). */

/** The end of a list of frames. */
export const FLUSH = Buffer.from("0000");

const LONGEST = 65_520;

/** What came is no list of frames, or ended in the middle of one. */
export class PktLineError extends Error {
  override readonly name = "PktLineError";
}

/** One frame around up to 65 516 bytes. */
export function pktLine(payload: string | Buffer): Buffer {
  const bytes = typeof payload === "string" ? Buffer.from(payload, "latin1") : payload;
  const length = bytes.length + 4;
  if (length > LONGEST) throw new RangeError("too long for a frame");
  return Buffer.concat([Buffer.from(length.toString(16).padStart(4, "0")), bytes]);
}

/** Bytes of any length in frames of one side band: 1 is data, 2 is for people, 3 is the last word. */
export function sideBand(band: 1 | 2 | 3, bytes: Buffer): Buffer {
  const frames: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += LONGEST - 5) {
    const part = bytes.subarray(at, at + LONGEST - 5);
    frames.push(pktLine(Buffer.concat([Buffer.from([band]), part])));
  }
  return Buffer.concat(frames);
}

/** Reads frames off the front of a stream; what comes after them is read as it is. */
export class PktLineReader {
  readonly #chunks: AsyncIterator<Buffer>;
  #buffer: Buffer = Buffer.alloc(0);

  constructor(stream: AsyncIterable<Buffer>) {
    this.#chunks = stream[Symbol.asyncIterator]();
  }

  /** A frame's bytes; null for a flush. @throws PktLineError, also where the stream is at its end */
  async next(): Promise<Buffer | null> {
    const head = (await this.#take(4)).toString("latin1");
    if (!/^[0-9a-f]{4}$/i.test(head)) throw new PktLineError("no length");
    const length = Number.parseInt(head, 16);
    if (length === 0) return null;
    if (length < 4 || length > LONGEST) throw new PktLineError("a length that no frame has");
    return this.#take(length - 4);
  }

  /** Whether nothing comes any more. */
  async isAtEnd(): Promise<boolean> {
    while (this.#buffer.length === 0) if (!(await this.#more())) return true;
    return false;
  }

  /** What comes after the frames. */
  async *rest(): AsyncGenerator<Buffer> {
    do {
      const chunk = this.#buffer;
      this.#buffer = Buffer.alloc(0);
      if (chunk.length > 0) yield chunk;
    } while (await this.#more());
  }

  async #take(count: number): Promise<Buffer> {
    while (this.#buffer.length < count) {
      if (!(await this.#more())) throw new PktLineError("it ended in the middle");
    }
    const taken = this.#buffer.subarray(0, count);
    this.#buffer = this.#buffer.subarray(count);
    return taken;
  }

  async #more(): Promise<boolean> {
    const { done, value } = await this.#chunks.next();
    if (done === true) return false;
    this.#buffer = this.#buffer.length === 0 ? value : Buffer.concat([this.#buffer, value]);
    return true;
  }
}
