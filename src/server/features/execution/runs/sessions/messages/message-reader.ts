/** Reads messages of programs in a child process, which all sessions share. */
import { join } from "node:path";
import { spawnLimitedNode, type ChildProcess, type NodeLimits } from "#git/process/limited-node.js";
import { fairSlots } from "#shared/node/fair-slots.js";
import type { FromMessageProcess } from "./message-process.js";
import type { MessagesToRead, ReceivedMessages } from "./read-messages.js";

export interface MessageReaderLimits extends NodeLimits {
  /** Milliseconds for one order: at most `MAX_BATCH` lines, one of which may have `MAX_MESSAGE_BYTES`. */
  orderMs: number;
}

/** A message of 2 MiB that consists of empty lists or objects needs a quarter of the heap. */
const LIMITS: MessageReaderLimits = {
  heapMib: 256,
  memoryKib: 1024 * 1024,
  descriptors: 64,
  orderMs: 10_000,
};
/** Time limit for the start of the process. */
const START_MS = 60_000;
/** The process may have been killed for another reason than the messages. */
const ATTEMPTS = 2;

/** Messages ended the process of messages twice, or exceeded its time. */
export class UnreadableMessagesError extends Error {
  override readonly name = "UnreadableMessagesError";
}

/**
 * Owns the process. It starts with the first order and, after its end, with the next. It has one order at a time, so
 * that messages that end it are known, and keeps nothing, so that its end loses nothing.
 */
export class MessageReader {
  readonly #limits: MessageReaderLimits;
  /** Organizations take turns. */
  readonly #turns = fairSlots({ slots: 1, perOwner: 1 });
  #child: ChildProcess | null = null;

  constructor(limits: MessageReaderLimits) {
    this.#limits = limits;
  }

  /**
   * @param owner the organization
   * @throws UnreadableMessagesError
   * @throws Error if the process does not start
   */
  async read(owner: string, order: MessagesToRead): Promise<ReceivedMessages> {
    const leave = await this.#turns.take(owner);
    try {
      for (let attempt = 1; ; attempt += 1) {
        try {
          return await this.#attempt(order);
        } catch (error) {
          if (attempt === ATTEMPTS) throw error;
        }
      }
    } finally {
      leave();
    }
  }

  async #attempt(order: MessagesToRead): Promise<ReceivedMessages> {
    this.#child ??= await this.#start();
    const child = this.#child;
    keepAlive(child, true);
    const heard = hear(child, this.#limits.orderMs);
    child.send(order, () => undefined);
    const message = await heard;
    keepAlive(child, false);
    if (message !== null && "items" in message) return message;
    if (this.#child === child) this.#child = null;
    throw new UnreadableMessagesError();
  }

  async #start(): Promise<ChildProcess> {
    const child = spawnLimitedNode(
      join(import.meta.dirname, "message-process"),
      "omoi-session-messages",
      this.#limits,
    );
    child.on("error", () => undefined);
    child.once("exit", () => {
      if (this.#child === child) this.#child = null;
    });
    if ((await hear(child, START_MS)) === null) {
      throw new Error("the process for messages of sessions did not start");
    }
    return child;
  }
}

/** The one of this process. */
export const messageReader = new MessageReader(LIMITS);

/** An idle process does not keep the server alive. */
function keepAlive(child: ChildProcess, isBusy: boolean): void {
  if (isBusy) {
    child.ref();
    child.channel?.ref();
  } else {
    child.unref();
    child.channel?.unref();
  }
}

/** Returns the next message; null once the process has ended, or its time is over and it is killed. */
async function hear(child: ChildProcess, timeoutMs: number): Promise<FromMessageProcess | null> {
  const late = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  let stopListening = (): void => undefined;
  try {
    return await new Promise<FromMessageProcess | null>((resolve) => {
      const over = (): void => resolve(null);
      stopListening = () => {
        child.off("message", resolve).off("exit", over).off("error", over);
      };
      child.on("message", resolve).on("exit", over).on("error", over);
      if (child.exitCode !== null || child.signalCode !== null) over();
    });
  } finally {
    clearTimeout(late);
    stopListening();
  }
}
