/**
 * Content-defined chunks: a boundary depends on the 32 bytes before it alone, so that an insertion changes one or two
 * chunks, and the others are shared with an earlier backup. https://www.usenix.org/conference/atc16 (FastCDC, Gear)
 */

/** Size limits: smaller chunks share more, and cost a file or a request each. */
export const MIN_CHUNK = 64 * 1024;
export const MAX_CHUNK = 2 * 1024 * 1024;
/** A boundary has 18 zero bits: 256 KiB beyond the minimum on average. */
const BOUNDARY_SHIFT = 14;

/** The numbers of values of a byte that boundaries depend on. */
export const GEAR_BYTES = 256 * 4;

/** @param gear 256 random numbers of 32 bits */
export async function* chunksOf(
  content: AsyncIterable<Buffer>,
  gear: Uint32Array,
): AsyncGenerator<Buffer> {
  const chunk = { length: 0, hash: 0 };
  let pieces: Buffer[] = [];
  for await (const piece of content) {
    for (let start = 0; start < piece.length;) {
      const { end, isWhole } = scan(chunk, piece, start, gear);
      pieces.push(piece.subarray(start, end));
      start = end;
      if (!isWhole) continue;
      yield Buffer.concat(pieces);
      pieces = [];
    }
  }
  if (pieces.length > 0) yield Buffer.concat(pieces);
}

/** Continues a chunk in a piece, from `start` to its end or to that of the piece. */
function scan(
  chunk: { length: number; hash: number },
  piece: Buffer,
  start: number,
  gear: Uint32Array,
): { end: number; isWhole: boolean } {
  // No boundary is looked for below the minimum.
  let at = Math.min(start + Math.max(MIN_CHUNK - 32 - chunk.length, 0), piece.length);
  const first = Math.min(start + Math.max(MIN_CHUNK - chunk.length, 0), piece.length);
  const last = Math.min(start + MAX_CHUNK - chunk.length, piece.length);
  let { hash } = chunk;
  while (at < first) {
    hash = ((hash << 1) + (gear[piece[at] as number] as number)) | 0;
    at += 1;
  }
  let isBoundary = false;
  while (at < last && !isBoundary) {
    hash = ((hash << 1) + (gear[piece[at] as number] as number)) | 0;
    at += 1;
    isBoundary = hash >>> BOUNDARY_SHIFT === 0;
  }
  chunk.length += at - start;
  chunk.hash = hash;
  const isWhole = isBoundary || chunk.length === MAX_CHUNK;
  if (isWhole) Object.assign(chunk, { length: 0, hash: 0 });
  return { end: at, isWhole };
}
