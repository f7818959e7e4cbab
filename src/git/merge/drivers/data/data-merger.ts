/** Merges data in a child process. */
import { join } from "node:path";
import { fairSlots } from "#shared/node/fair-slots.js";
import { spawnLimitedNode, type ChildProcess } from "../../../process/limited-node.js";
import { GitError } from "../../../process/run.js";
import type { FromDataProcess } from "./data-process.js";
import type { DataMerge, FileVersions } from "./merge-data.js";

/** Three files of 8 MiB with their trees need less than half. */
const LIMITS = { heapMib: 2048, memoryKib: 4 * 1024 * 1024, descriptors: 64 };
/** Time limits for the start of the process and for one file. */
const START_MS = 60_000;
const FILE_MS = 2 * 60_000;
/** Ends of the process by its limits, after which a merger starts no other one. */
const MAX_ENDS = 3;
/** Processes at once, and those of one repository. */
const slots = fairSlots({ slots: 2, perOwner: 1 });

/** Merges files one after another, all in one process that starts with the first. */
export class DataMerger {
  readonly #owner: string;
  readonly #signal: AbortSignal | undefined;
  readonly #fileMs: number;
  #child: ChildProcess | null = null;
  #leave: (() => void) | null = null;
  #ends = 0;

  /** @param owner the repository, for a fair order */
  constructor(owner: string, signal?: AbortSignal, fileMs = FILE_MS) {
    this.#owner = owner;
    this.#signal = signal;
    this.#fileMs = fileMs;
  }

  /**
   * Merges a file; null if that exceeds the limits of time or memory.
   * @throws GitError when aborted
   * @throws Error if the process does not start
   */
  async merge(file: FileVersions): Promise<DataMerge | null> {
    if (this.#ends >= MAX_ENDS) return null;
    this.#child ??= await this.#start();
    const child = this.#child;
    const answer = this.#hear(child, this.#fileMs);
    child.send(file, () => undefined);
    const message = await answer;
    if (message !== null && "merged" in message) return message.merged;
    this.#ends += 1;
    this.#child = null;
    return null;
  }

  /** Ends the process. */
  end(): void {
    this.#child?.kill("SIGKILL");
    this.#child = null;
    this.#leave?.();
    this.#leave = null;
  }

  async #start(): Promise<ChildProcess> {
    this.#leave ??= await slots.take(this.#owner, this.#signal);
    const child = spawnLimitedNode(
      join(import.meta.dirname, "data-process"),
      "omoi-data-merges",
      LIMITS,
    );
    if ((await this.#hear(child, START_MS)) === null) {
      throw new Error("the process for data merges did not start");
    }
    return child;
  }

  /** Returns the next message; null once the process has ended or its time is over. */
  async #hear(child: ChildProcess, timeoutMs: number): Promise<FromDataProcess | null> {
    const aborted = (): GitError => new GitError("aborted", null, "", []);
    if (this.#signal?.aborted) throw aborted();
    let settle = (): void => undefined;
    const late = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
    try {
      return await new Promise<FromDataProcess | null>((resolve, reject) => {
        const abort = (): void => reject(aborted());
        const over = (): void => resolve(null);
        settle = () => {
          this.#signal?.removeEventListener("abort", abort);
          child.off("message", resolve).off("exit", over).off("error", over);
        };
        this.#signal?.addEventListener("abort", abort, { once: true });
        child.once("message", resolve).once("exit", over).once("error", over);
      });
    } finally {
      clearTimeout(late);
      settle();
    }
  }
}
