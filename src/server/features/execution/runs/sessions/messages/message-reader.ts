/** Reads messages of programs in a child process, which all sessions share. */
import { join } from "node:path";
import { ReaderProcess, type ReaderLimits } from "#git/process/reader-process.js";
import type { MessagesToRead, ReceivedMessages } from "./read-messages.js";

/**
 * A message of 2 MiB that consists of empty lists or objects needs a quarter of the heap. An order has at most
 * `MAX_BATCH` lines, one of which may have `MAX_MESSAGE_BYTES`.
 */
const LIMITS: ReaderLimits = {
  heapMib: 256,
  memoryKib: 1024 * 1024,
  descriptors: 64,
  orderMs: 10_000,
};

export const createMessageReader = (
  limits: ReaderLimits,
): ReaderProcess<MessagesToRead, ReceivedMessages> =>
  new ReaderProcess({
    script: join(import.meta.dirname, "message-process"),
    title: "omoi-session-messages",
    limits,
  });

/** The one of this process. */
export const messageReader = createMessageReader(LIMITS);
