/**
 * Limits of bodies that handlers read as streams. Fastify applies `bodyLimit` only to bodies that it
 * parses itself.
 */
import type { IncomingMessage } from "node:http";
import { pipeline, Transform, type Readable } from "node:stream";
import { finished } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { AppError } from "../../errors.js";

/**
 * Passes on a body up to a number of bytes. The rest of a body whose reader stopped is discarded.
 * @param tooLarge the error beyond the limit
 */
export function limitBytes(
  body: Readable,
  maxBytes: number,
  tooLarge: () => Error = () => bodyTooLarge(maxBytes),
): Readable {
  const limited = countBytes(maxBytes, tooLarge);
  body.on("error", (error) => limited.destroy(error instanceof AppError ? error : endedEarly()));
  body.once("close", () => {
    if (!body.readableEnded) limited.destroy(endedEarly());
  });
  // A stream that is only unpiped would be paused, and its sender would wait.
  limited.once("close", () => {
    body.unpipe(limited);
    body.resume();
  });
  // Its errors are those of the reader, which may have left.
  limited.on("error", () => {});
  return body.pipe(limited);
}

/** Decompresses the result of `limitBytes`, up to a number of decompressed bytes. */
export function gunzip(body: Readable, maxBytes: number): Readable {
  const plain = countBytes(maxBytes, () => bodyTooLarge(maxBytes));
  return pipeline(body, createGunzip(), plain, () => {});
}

function countBytes(maxBytes: number, tooLarge: () => Error): Transform {
  let bytes = 0;
  return new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      bytes += chunk.length;
      if (bytes > maxBytes) done(tooLarge());
      else done(null, chunk);
    },
  });
}

/** Maximum time for which the rest of a body is read before its error is sent, in milliseconds. */
const REST_MS = 60_000;

/**
 * Waits for the end of a body whose reader stopped. Most clients read an answer only after they have
 * sent everything, and lose it if the connection is closed before.
 */
export async function discardRest(raw: IncomingMessage): Promise<void> {
  if (raw.complete || raw.destroyed) return;
  const signal = AbortSignal.timeout(REST_MS);
  await finished(raw, { writable: false, signal }).catch(() => {});
}

function bodyTooLarge(maxBytes: number): AppError {
  const size = maxBytes < 2 ** 20 ? `${maxBytes} bytes` : `${Math.floor(maxBytes / 2 ** 20)} MiB`;
  return new AppError("body_too_large", `The body is larger than ${size}; send less.`);
}

function endedEarly(): AppError {
  return new AppError("bad_request", "The request ended before its body was complete.");
}
