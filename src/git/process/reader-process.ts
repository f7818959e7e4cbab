/** A child process that reads what agents and strangers wrote, so that the event loop never parses it. */
import { fairSlots } from "#shared/node/fair-slots.js";
import { spawnLimitedNode, type ChildProcess, type NodeLimits } from "./limited-node.js";

export interface ReaderLimits extends NodeLimits {
  /** Milliseconds for one order. */
  orderMs: number;
}

export interface ReaderOptions {
  /** The path of the process's module without its extension; it calls `serveOrders`. */
  script: string;
  title: string;
  limits: ReaderLimits;
}

/** Messages of the process: that it has started, then one result for each order. */
export type FromReader<Result> = { ready: true } | { result: Result };

/** Time limit for the start of the process. */
const START_MS = 60_000;
/** The process may have been killed for another reason than the order. */
const ATTEMPTS = 2;

/** An order ended the process twice, or exceeded its time. */
export class UnreadableError extends Error {
  override readonly name = "UnreadableError";
}

/**
 * Owns the process. It starts with the first order and, after its end, with the next. It has one order at a time, so
 * that an order that ends it is known, and keeps nothing, so that its end loses nothing.
 */
export class ReaderProcess<Order extends object, Result> {
  readonly #options: ReaderOptions;
  /** Organizations take turns. */
  readonly #turns = fairSlots({ slots: 1, perOwner: 1 });
  #child: ChildProcess | null = null;

  constructor(options: ReaderOptions) {
    this.#options = options;
  }

  /**
   * @param owner the organization
   * @throws UnreadableError
   * @throws Error if the process does not start
   */
  async read(owner: string, order: Order): Promise<Result> {
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

  async #attempt(order: Order): Promise<Result> {
    this.#child ??= await this.#start();
    const child = this.#child;
    keepAlive(child, true);
    const heard = hear<Result>(child, this.#options.limits.orderMs);
    child.send(order, () => undefined);
    const message = await heard;
    keepAlive(child, false);
    if (message !== null && "result" in message) return message.result;
    if (this.#child === child) this.#child = null;
    throw new UnreadableError();
  }

  async #start(): Promise<ChildProcess> {
    const { script, title, limits } = this.#options;
    const child = spawnLimitedNode(script, title, limits);
    child.on("error", () => undefined);
    child.once("exit", () => {
      if (this.#child === child) this.#child = null;
    });
    if ((await hear(child, START_MS)) === null) {
      throw new Error(`the process ${title} did not start`);
    }
    return child;
  }
}

/** Runs in the child process: answers each order. It ends with the server that started it. */
export function serveOrders<Order, Result>(read: (order: Order) => Result): void {
  const say = (message: FromReader<Result>): void => {
    if (process.connected) process.send?.(message);
  };
  process.on("message", (order: Order) => say({ result: read(order) }));
  process.on("disconnect", () => process.exit(0));
  // A terminal or systemd sends these to every process; this one must outlive the server.
  process.on("SIGINT", () => undefined);
  process.on("SIGTERM", () => undefined);
  say({ ready: true });
}

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
async function hear<Result>(
  child: ChildProcess,
  timeoutMs: number,
): Promise<FromReader<Result> | null> {
  const late = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  let stopListening = (): void => undefined;
  try {
    return await new Promise<FromReader<Result> | null>((resolve) => {
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
