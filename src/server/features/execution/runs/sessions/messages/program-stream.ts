/** The standard streams of a session's program, as the library of the Agent Client Protocol may get them. */
import { setImmediate as afterEvents } from "node:timers/promises";
import type { Writable } from "node:stream";
import type { AnyMessage, Stream } from "@agentclientprotocol/sdk";
import type { ReceivedUpdate } from "./message-schemas.js";
import type { MessageLimits } from "./message-limits.js";
import { messageReader } from "./message-reader.js";
import type { ReceivedMessages } from "./read-messages.js";
import { MessageSplitter, type Batch } from "./split-messages.js";

/** Bytes of answers that a program may leave unread before its own output is read no more. */
const MAX_UNREAD_BYTES = 1024 * 1024;
/**
 * Pause after output of fewer bytes: what comes meanwhile is read at once, so that the messages of a program that
 * writes each on its own cost the server ten writes a second and not hundreds.
 */
const FEW_BYTES = 32 * 1024;
const GATHER_MS = 100;

export interface ProgramStream {
  /**
   * Takes a chunk of the program's output. Resolves once its messages have been handled, however long that takes: the
   * program waits meanwhile.
   * @throws MessageTooLargeError, UnreadableMessagesError, or the error of `onUpdates`
   */
  receive(chunk: Buffer): Promise<void>;
  /** Returns the messages. */
  connect(input: Writable): Stream;
  /** Handles the last line, which may lack its end. @throws like `receive` */
  finish(): Promise<void>;
  /** Reads no more. */
  close(): void;
}

interface ProgramStreamInput {
  orgId: string;
  limits: MessageLimits;
  /** The program's id of the session; empty if it has none yet. */
  session: () => string;
  /** Requests for permissions that may follow now. */
  permissions: () => number;
  /** Resolves once updates have been handled. */
  onUpdates: (updates: ReceivedUpdate[]) => Promise<void>;
}

export function openProgramStream({
  orgId,
  limits,
  session,
  permissions,
  onUpdates,
}: ProgramStreamInput): ProgramStream {
  const splitter = new MessageSplitter();
  /** The methods of requests that the program has not answered. */
  const asked = new Map<unknown, string>();
  let input: Writable | null = null;
  let unread = 0;
  let isClosed = false;
  let messages: ReadableStreamDefaultController<AnyMessage> | null = null;
  /** Continues what waits for the connection, or for the program to read. */
  let wake: () => void = () => undefined;
  const until = async (isTrue: () => boolean): Promise<void> => {
    for (;;) {
      if (isClosed || isTrue()) return;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };

  const write = (lines: string): void => {
    if (lines === "" || isClosed) return;
    const bytes = Buffer.from(lines);
    unread += bytes.length;
    input?.write(bytes, () => {
      unread -= bytes.length;
      wake();
    });
  };

  const handle = async ({ items, replies }: ReceivedMessages): Promise<void> => {
    write(replies);
    let updates: ReceivedUpdate[] = [];
    for (const item of items) {
      if ("update" in item) {
        updates.push(item.update);
        continue;
      }
      if (updates.length > 0) await onUpdates(updates);
      updates = [];
      if (isClosed) return;
      if (!("method" in item.message)) asked.delete(item.message.id);
      messages?.enqueue(item.message);
      // Updates that follow an answer come after what is done with it.
      await afterEvents();
    }
    if (updates.length > 0) await onUpdates(updates);
    // A program that asks without reading the answers has to wait.
    await until(() => unread <= MAX_UNREAD_BYTES);
  };

  const read = async ({ lines, count }: Batch): Promise<boolean> => {
    const isAdmitted = await limits.admit(count, lines.length);
    if (!isAdmitted || isClosed) return false;
    const order = { lines, asked, session: session(), permissions: permissions() };
    const received = await messageReader.read(orgId, order);
    limits.charge(received.texts);
    await handle(received);
    return received.items.some((item) => "message" in item);
  };

  const receiveAll = async (batches: Iterable<Batch>): Promise<boolean> => {
    await until(() => input !== null);
    let hasMessage = false;
    for (const batch of batches) {
      if (isClosed) break;
      hasMessage = (await read(batch)) || hasMessage;
    }
    return hasMessage;
  };

  return {
    receive: async (chunk) => {
      const hasMessage = await receiveAll(splitter.take(chunk));
      // An answer is waited for, and few come.
      if (!hasMessage && chunk.length < FEW_BYTES) await limits.pause(GATHER_MS);
    },
    connect: (standardInput) => {
      input = standardInput;
      wake();
      return {
        readable: new ReadableStream<AnyMessage>({
          start: (controller) => {
            messages = controller;
          },
          cancel: () => {
            messages = null;
          },
        }),
        writable: new WritableStream<AnyMessage>({
          write: (message) => {
            if ("method" in message && "id" in message) asked.set(message.id, message.method);
            write(`${JSON.stringify(message)}\n`);
          },
        }),
      };
    },
    finish: async () => {
      if (input !== null) await receiveAll(splitter.rest());
    },
    close: () => {
      if (isClosed) return;
      isClosed = true;
      messages = null;
      limits.close();
      wake();
    },
  };
}
