/**
 * Messages on a stream: the length of a JSON header in four bytes, the header, and as many bytes as its field `bytes`
 * says. Both ends are parts of this server.
 */
import type { Writable } from "node:stream";

interface Header {
  /** Length of the content in bytes. */
  bytes: number;
}

const PREFIX = 4;

/** Writes a message. */
export function writeFrame(
  to: Writable,
  header: Readonly<Record<string, unknown>>,
  content: Uint8Array = new Uint8Array(),
): void {
  const text = Buffer.from(JSON.stringify({ ...header, bytes: content.length }));
  const prefix = Buffer.alloc(PREFIX);
  prefix.writeUInt32BE(text.length);
  to.cork();
  to.write(prefix);
  to.write(text);
  if (content.length > 0) to.write(content);
  to.uncork();
}

/** Returns a function that takes the chunks of a stream and calls `receive` for each complete message. */
export function frameReader(
  receive: (header: unknown, content: Buffer) => void,
): (chunk: Buffer) => void {
  let chunks: Buffer[] = [];
  let held = 0;
  /** Bytes that complete the next part. */
  let needed = PREFIX;
  let part: "prefix" | "header" | "content" = "prefix";
  let header: Header | null = null;
  return (chunk) => {
    chunks.push(chunk);
    held += chunk.length;
    while (held >= needed) {
      const whole = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, held);
      const bytes = whole.subarray(0, needed);
      const rest = whole.subarray(needed);
      chunks = rest.length > 0 ? [rest] : [];
      held = rest.length;
      if (part === "prefix") {
        part = "header";
        needed = bytes.readUInt32BE();
        continue;
      }
      if (part === "header") {
        header = JSON.parse(bytes.toString("utf8")) as Header;
        part = "content";
        needed = header.bytes;
        if (needed > 0) continue;
      }
      receive(header, part === "content" && needed > 0 ? bytes : Buffer.alloc(0));
      part = "prefix";
      needed = PREFIX;
    }
  };
}
