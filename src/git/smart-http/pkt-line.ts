/**
 * git's pkt-line framing: a length in four hexadecimal digits, then the payload
 * (gitprotocol-common(5)).
 */

/** The flush packet, which ends a list of packets. */
export const FLUSH = Buffer.from("0000");

const LONGEST = 65_520;

/** The input is not a list of packets, or ends inside a packet. */
export class PktLineError extends Error {
  override readonly name = "PktLineError";
}

/** A request exceeds a limit. The message is for its sender. */
export class RequestLimitError extends Error {
  override readonly name = "RequestLimitError";
}

/** Encodes a packet with up to 65 516 bytes of payload. */
export function pktLine(payload: string | Buffer): Buffer {
  const bytes = typeof payload === "string" ? Buffer.from(payload, "latin1") : payload;
  const length = bytes.length + 4;
  if (length > LONGEST) throw new RangeError("payload too long for a packet");
  return Buffer.concat([Buffer.from(length.toString(16).padStart(4, "0")), bytes]);
}

/**
 * Encodes bytes of any length as packets of one side band: 1 is data, 2 is progress, 3 is a fatal
 * error.
 */
export function sideBand(band: 1 | 2 | 3, bytes: Buffer): Buffer {
  const frames: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += LONGEST - 5) {
    const part = bytes.subarray(at, at + LONGEST - 5);
    frames.push(pktLine(Buffer.concat([Buffer.from([band]), part])));
  }
  return Buffer.concat(frames);
}

/** Limits of the packets that a `PktLineReader` reads, in bytes with their lengths. */
export interface PacketLimits {
  packet: number;
  all: number;
}

/** Reads packets from the front of a stream; the rest is available as raw bytes. */
export class PktLineReader {
  readonly #chunks: AsyncIterator<Buffer>;
  readonly #limits: PacketLimits;
  #buffer: Buffer = Buffer.alloc(0);
  #bytes = 0;

  constructor(stream: AsyncIterable<Buffer>, limits: PacketLimits) {
    this.#chunks = stream[Symbol.asyncIterator]();
    this.#limits = limits;
  }

  /**
   * Returns the payload of a packet; null for a flush.
   * @throws PktLineError, also at the end of the stream
   * @throws RequestLimitError before it reads a packet beyond the limits
   */
  async next(): Promise<Buffer | null> {
    const head = (await this.#take(4)).toString("latin1");
    if (!/^[0-9a-f]{4}$/i.test(head)) throw new PktLineError("no length");
    const length = Number.parseInt(head, 16);
    if ((length > 0 && length < 4) || length > LONGEST) {
      throw new PktLineError("invalid packet length");
    }
    const { packet, all } = this.#limits;
    if (length > packet) {
      throw new RequestLimitError(
        `A line of the request is longer than ${packet} bytes; shorten the names of refs.`,
      );
    }
    this.#bytes += Math.max(length, 4);
    if (this.#bytes > all) {
      throw new RequestLimitError(
        `The request names more than ${all / 2 ** 20} MiB of refs and commits; name fewer at once.`,
      );
    }
    return length === 0 ? null : this.#take(length - 4);
  }

  /** Tells whether the stream has ended. */
  async isAtEnd(): Promise<boolean> {
    while (this.#buffer.length === 0) if (!(await this.#more())) return true;
    return false;
  }

  /** The raw bytes after the packets. */
  async *rest(): AsyncGenerator<Buffer> {
    do {
      const chunk = this.#buffer;
      this.#buffer = Buffer.alloc(0);
      if (chunk.length > 0) yield chunk;
    } while (await this.#more());
  }

  async #take(count: number): Promise<Buffer> {
    while (this.#buffer.length < count) {
      if (!(await this.#more())) throw new PktLineError("the stream ended inside a packet");
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
