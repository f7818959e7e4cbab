/** Merges data in child processes, which organizations share. */
import { join } from "node:path";
import { fairSlots, type FairSlots } from "#shared/node/fair-slots.js";
import { spawnLimitedNode, type ChildProcess } from "../../../process/limited-node.js";
import type { FromDataProcess } from "./data-process.js";
import type { DataMerge, FileVersions } from "./merge-data.js";

/** Three files of 8 MiB with their trees need less than half. */
const LIMITS = { heapMib: 2048, memoryKib: 4 * 1024 * 1024, descriptors: 64 };
/** Files at once, and those of one organization, which never has all processes. */
const SLOTS = { slots: 2, perOwner: 1 };
/**
 * Maximum bytes of a file's versions for which it counts as small: it takes some hundredths of a second. Small
 * files have processes of their own, so that they never wait for large ones.
 */
const SMALL_BYTES = 64 * 1024;
/** Time after which an unused process ends. */
const IDLE_MS = 5000;

/** Files of one organization that wait for their turns; each belongs to an operation in memory. */
const MAX_WAITING = 200;

/** The server is stopping, or too many files wait. The message is for users. */
export class MergesUnavailableError extends Error {
  override readonly name = "MergesUnavailableError";
}

/** A file to merge in its turn. */
export interface DataJob {
  /** The organization, for a fair order. */
  owner: string;
  /** The size of all versions. */
  bytes: number;
  /** Reads the versions, when its turn has come. */
  read: () => Promise<FileVersions>;
  /** Maximum time, from the beginning of its turn. */
  timeMs: number;
  /** False if the caller must not wait for its turn. */
  waits: boolean;
  /** Aborted by a stop, too. */
  signal: AbortSignal;
}

/** `merged` is null if the file exceeds the limits of time or memory. */
export interface DataOutcome {
  merged: DataMerge | null;
  /** The time since the beginning of its turn. */
  ms: number;
}

interface Lane {
  slots: FairSlots;
  idle: DataProcess[];
}

const lane = (): Lane => ({ slots: fairSlots(SLOTS), idle: [] });

/** Processes for data merges. A turn is one file; waiting organizations take turns. */
export class DataProcesses {
  readonly #small = lane();
  readonly #large = lane();
  readonly #stopping = new AbortController();
  /** Files that wait or run, by organization. */
  readonly #pending = new Map<string, number>();

  /** Aborted, with a MergesUnavailableError, by `stop`. */
  get signal(): AbortSignal {
    return this.#stopping.signal;
  }

  /**
   * Merges a file in its turn. Returns "busy" for a job that would have to wait and must not.
   * @throws the abort reason of the job's signal
   * @throws MergesUnavailableError if too many files of the organization wait
   * @throws Error if the process does not start
   */
  async merge(job: DataJob): Promise<DataOutcome | "busy"> {
    const { owner, bytes, waits, signal } = job;
    signal.throwIfAborted();
    const { slots, idle } = bytes <= SMALL_BYTES ? this.#small : this.#large;
    const ended = this.#begin(owner);
    let leave: (() => void) | null = null;
    try {
      leave = waits ? await slots.take(owner, signal) : slots.tryTake(owner);
      if (leave === null) return "busy";
      const start = performance.now();
      const process = idle.pop() ?? new DataProcess();
      const merged = await process.merge(job);
      if (!process.isOver) process.rest(idle);
      return { merged, ms: performance.now() - start };
    } finally {
      leave?.();
      ended();
    }
  }

  /** Counts a file and returns the function that ends its count. */
  #begin(owner: string): () => void {
    const others = this.#pending.get(owner) ?? 0;
    if (others > MAX_WAITING) {
      throw new MergesUnavailableError(
        `${MAX_WAITING} data merges of the organization are already waiting; try again in a moment.`,
      );
    }
    this.#pending.set(owner, others + 1);
    return () => {
      const left = (this.#pending.get(owner) ?? 1) - 1;
      if (left === 0) this.#pending.delete(owner);
      else this.#pending.set(owner, left);
    };
  }

  /** Ends all processes at once. Waiting and running merges fail, and all further ones. */
  stop(): void {
    this.#stopping.abort(new MergesUnavailableError("The server is stopping; try again."));
    for (const process of [...this.#small.idle, ...this.#large.idle]) process.end();
  }
}

/** A process that merges one file at a time. */
class DataProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<null>;
  #isReady = false;
  #idleTimer: NodeJS.Timeout | undefined;
  /** Removes it from the idle processes. */
  #leave = (): void => undefined;
  isOver = false;

  constructor() {
    const script = join(import.meta.dirname, "data-process");
    this.#child = spawnLimitedNode(script, "omoi-data-merges", LIMITS);
    this.#ended = new Promise((resolve) => {
      const over = (): void => {
        this.isOver = true;
        this.#leave();
        resolve(null);
      };
      this.#child.once("exit", over).on("error", over);
    });
  }

  /**
   * Returns null if the file exceeds the limits; the process is then over.
   * @throws the abort reason of the signal; the process is then over, too
   */
  async merge({ read, timeMs, signal }: DataJob): Promise<DataMerge | null> {
    this.#stayAwake();
    let isLate = false;
    const late = setTimeout(() => {
      isLate = true;
      this.end();
    }, timeMs);
    const abort = (): void => this.end();
    signal.addEventListener("abort", abort, { once: true });
    try {
      const merged = await Promise.race([this.#mergeFile(read), this.#ended]);
      signal.throwIfAborted();
      if (!this.#isReady && !isLate) throw new Error("the process for data merges did not start");
      return merged;
    } catch (error) {
      this.end();
      throw error;
    } finally {
      clearTimeout(late);
      signal.removeEventListener("abort", abort);
    }
  }

  async #mergeFile(read: DataJob["read"]): Promise<DataMerge | null> {
    if (!this.#isReady) await this.#hear();
    this.#isReady = true;
    const file = await read();
    if (this.isOver) return null;
    const answer = this.#hear();
    // A failed send is followed by the end of the process.
    this.#child.send(file, () => undefined);
    const message = await answer;
    return "merged" in message ? message.merged : null;
  }

  end(): void {
    this.isOver = true;
    this.#leave();
    this.#child.kill("SIGKILL");
  }

  /** Waits for another file, and ends after a while. Meanwhile it does not keep the server alive. */
  rest(idle: DataProcess[]): void {
    idle.push(this);
    this.#leave = () => {
      clearTimeout(this.#idleTimer);
      const at = idle.indexOf(this);
      if (at !== -1) idle.splice(at, 1);
    };
    this.#child.unref();
    this.#child.channel?.unref();
    this.#idleTimer = setTimeout(() => this.end(), IDLE_MS).unref();
  }

  #stayAwake(): void {
    this.#leave();
    this.#child.ref();
    this.#child.channel?.ref();
  }

  #hear(): Promise<FromDataProcess> {
    return new Promise((resolve) => this.#child.once("message", resolve));
  }
}
