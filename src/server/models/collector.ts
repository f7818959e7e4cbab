import type { HeldBytes } from "./held-bytes.js";

/** Collects the bytes of a line, an event or an answer, up to a limit. */
export interface Collector {
  add(part: Buffer): void;
  /** Returns the bytes, valid until the next `add`, and starts anew; null if they were too many. */
  take(): Buffer | null;
  /** Frees the memory. */
  close(): void;
}

const FIRST_BYTES = 4096;

/** @param held counts the memory; when too much is held, the bytes are forgotten */
export function createCollector(maxBytes: number, held: HeldBytes): Collector {
  let buffer: Buffer = Buffer.alloc(0);
  let length = 0;
  let isTooLong = false;
  const grow = (needed: number): boolean => {
    if (needed <= buffer.length) return true;
    const size = Math.min(Math.max(FIRST_BYTES, buffer.length * 2, needed), maxBytes);
    if (needed > maxBytes || !held.take(size - buffer.length)) return false;
    const larger = Buffer.allocUnsafe(size);
    buffer.copy(larger, 0, 0, length);
    buffer = larger;
    return true;
  };
  return {
    add: (part) => {
      if (isTooLong) return;
      if (!grow(length + part.length)) {
        isTooLong = true;
        length = 0;
        return;
      }
      part.copy(buffer, length);
      length += part.length;
    },
    take: () => {
      const whole = isTooLong ? null : buffer.subarray(0, length);
      length = 0;
      isTooLong = false;
      return whole;
    },
    close: () => {
      held.give(buffer.length);
      buffer = Buffer.alloc(0);
      length = 0;
      isTooLong = true;
    },
  };
}
