/**
 * Frames on a stream between two processes: a length of four bytes, a kind, and the content. A frame is either a JSON
 * document or bytes of a numbered stream.
 */

export type Frame =
  | { kind: "message"; message: unknown }
  | { kind: "bytes"; id: number; stream: number; bytes: Buffer };

/** A peer that does not keep to the format. */
export class FrameError extends Error {
  override readonly name = "FrameError";
}

const MESSAGE = 0;
const BYTES = 1;
const LENGTH_BYTES = 4;
/** The kind, the id and the stream. */
const BYTES_HEADER = 6;

/** Maximum length of the bytes in a frame. */
export const MAX_FRAME_BYTES = 64 * 1024;

export function messageFrame(message: unknown): Buffer {
  const content = Buffer.from(JSON.stringify(message));
  const head = Buffer.alloc(LENGTH_BYTES + 1);
  head.writeUInt32BE(content.length + 1, 0);
  head.writeUInt8(MESSAGE, LENGTH_BYTES);
  return Buffer.concat([head, content]);
}

export function bytesFrame(id: number, stream: number, bytes: Buffer): Buffer {
  const head = Buffer.alloc(LENGTH_BYTES + BYTES_HEADER);
  head.writeUInt32BE(bytes.length + BYTES_HEADER, 0);
  head.writeUInt8(BYTES, LENGTH_BYTES);
  head.writeUInt32BE(id, LENGTH_BYTES + 1);
  head.writeUInt8(stream, LENGTH_BYTES + 5);
  return Buffer.concat([head, bytes]);
}

/**
 * Returns a function that takes the chunks of a stream and returns the frames that are complete. It holds less than
 * one frame.
 * @param maxMessage maximum length of a JSON document in bytes
 * @throws FrameError
 */
export function frameReader(maxMessage: number): (chunk: Buffer) => Frame[] {
  let held: Buffer[] = [];
  let size = 0;
  /** The length of the frame that is arriving; null until it is known. */
  let wanted: number | null = null;
  const take = (length: number): Buffer => {
    const all = held.length === 1 ? (held[0] as Buffer) : Buffer.concat(held, size);
    held = all.length > length ? [all.subarray(length)] : [];
    size -= length;
    return all.subarray(0, length);
  };
  return (chunk) => {
    held.push(chunk);
    size += chunk.length;
    const frames: Frame[] = [];
    for (;;) {
      if (wanted === null) {
        if (size < LENGTH_BYTES) return frames;
        wanted = take(LENGTH_BYTES).readUInt32BE(0);
        if (wanted < 1 || wanted > Math.max(maxMessage + 1, MAX_FRAME_BYTES + BYTES_HEADER)) {
          throw new FrameError("a frame has a wrong length");
        }
      }
      if (size < wanted) return frames;
      frames.push(parse(take(wanted), maxMessage));
      wanted = null;
    }
  };
}

function parse(content: Buffer, maxMessage: number): Frame {
  const kind = content.readUInt8(0);
  if (kind === MESSAGE && content.length <= maxMessage + 1) {
    try {
      return { kind: "message", message: JSON.parse(content.toString("utf8", 1)) as unknown };
    } catch {
      throw new FrameError("a message is not JSON");
    }
  }
  const length = content.length - BYTES_HEADER;
  if (kind !== BYTES || length < 1 || length > MAX_FRAME_BYTES) {
    throw new FrameError("a frame has a wrong kind or length");
  }
  return {
    kind: "bytes",
    id: content.readUInt32BE(1),
    stream: content.readUInt8(5),
    bytes: content.subarray(BYTES_HEADER),
  };
}
