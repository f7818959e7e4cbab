import { open } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { MAX_LOG_UPLOAD_BYTES } from "#shared/execution/runner/protocol.js";

/** Sends a growing log to the server, by offset: nothing is lost or stored twice. */
export interface LogUpload {
  /** The log has grown. */
  written(): void;
  /** Resolves when everything that was written has arrived. Rejects with the error that ended the upload. */
  finish(): Promise<void>;
  /** Ends without the rest. */
  stop(): void;
}

/** Lines that arrive within this time after the last upload are sent together. */
const GATHER_MS = 50;

/**
 * @param send appends whole lines; returns the number of bytes that the server has then. Repeats by itself.
 */
export function uploadLog(
  path: string,
  send: (offset: number, lines: Buffer) => Promise<number>,
): LogUpload {
  let offset = 0;
  let isStopped = false;
  let failure: Error | undefined;
  let sending: Promise<void> | null = null;
  let isStale = false;
  let sentAt = -GATHER_MS;

  const sendRest = async (): Promise<void> => {
    for (;;) {
      isStale = false;
      const lines = await readLines(path, offset);
      if (isStopped) return;
      if (lines.length > 0) offset = await send(offset, lines);
      else if (!isStale) return;
    }
  };
  const begin = (gatherMs: number): Promise<void> => {
    isStale = true;
    sending ??= pause(gatherMs)
      .then(sendRest)
      .catch((error: unknown) => {
        failure ??= error instanceof Error ? error : new Error(String(error));
        isStopped = true;
      })
      .finally(() => {
        sentAt = performance.now();
        sending = null;
      });
    return sending;
  };
  return {
    written: () => {
      if (!isStopped) void begin(Math.max(0, sentAt + GATHER_MS - performance.now()));
    },
    finish: async () => {
      await sending;
      if (!isStopped) await begin(0);
      if (failure !== undefined) throw failure;
    },
    stop: () => {
      isStopped = true;
    },
  };
}

/** Returns whole lines from an offset on; none for a missing file. */
async function readLines(path: string, offset: number): Promise<Buffer> {
  const file = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  if (file === null) return Buffer.alloc(0);
  try {
    const { buffer, bytesRead } = await file.read({
      buffer: Buffer.alloc(MAX_LOG_UPLOAD_BYTES),
      position: offset,
    });
    return buffer.subarray(0, buffer.lastIndexOf(10, bytesRead - 1) + 1);
  } finally {
    await file.close();
  }
}
