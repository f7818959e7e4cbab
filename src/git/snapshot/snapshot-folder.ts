/** Takes snapshots of working trees in a child process. */
import { join } from "node:path";
import { fairSlots } from "#shared/node/fair-slots.js";
import { publish, type GitCommand } from "#shared/node/measurements.js";
import { spawnLimitedNode, type ChildProcess, type NodeLimits } from "../process/limited-node.js";
import { FolderTooLargeError } from "../files/path-errors.js";
import { GitError } from "../process/run.js";
import {
  receiveError,
  type FromProcess,
  type Listeners,
  type ToProcess,
} from "./snapshot-messages.js";
import type { Snapshot, SnapshotInput } from "./snapshot.js";

const LIMITS: NodeLimits = {
  /** A folder within TREE_LIMITS needs less than half. */
  heapMib: 1024,
  /** Includes the heap and file contents. */
  memoryKib: 3 * 1024 * 1024,
  /** A snapshot holds up to four per level of the folder (MAX_PATH_DEPTH). */
  descriptors: 16_384,
};
/** Interval of the health checks while a snapshot runs. */
const PING_MS = 5000;
/** Time limits for a health check and for one snapshot. */
const SILENT_MS = 60_000;
const SNAPSHOT_MS = 20 * 60_000;
/** Separate processes for single folders, used after the shared process died; each organization has one at most. */
const alone = fairSlots({ slots: 4, perOwner: 1 });

type Order = Extract<ToProcess, { kind: "take" }>["order"];

/** The process ended before it answered. */
class ProcessEndedError extends Error {}

interface Pending extends Listeners {
  /** The git commands that the process ran, published in the caller's async context. */
  commands: readonly GitCommand[];
  resolve(snapshot: Snapshot): void;
  reject(error: Error): void;
  /** An error thrown by a listener, passed on once the process is idle. */
  failure?: Error;
}

let shared: SnapshotProcess | null = null;

/**
 * Writes the content of a folder as a tree into the repository and updates the index of a checkout
 * (see `takeSnapshot`). One call at a time per folder.
 *
 * All folders share one process. If it dies, each folder it was reading is read once more in a
 * process of its own, so that a folder that kills the process does not fail the others.
 * @throws FolderMissingError, a PathError, a GitError, or the error of `open`; the index is then
 *   unchanged
 */
export async function snapshotFolder(input: SnapshotInput): Promise<Snapshot> {
  const { owner = input.repoPath, open, onChanges, onTree, signal, ...rest } = input;
  const order = { ...rest, layers: (await open?.()) ?? null };
  const listeners: Listeners = {
    ...(onChanges && { onChanges }),
    ...(onTree && { onTree }),
    ...(signal && { signal }),
  };
  if (shared === null || shared.isOver) shared = new SnapshotProcess();
  try {
    return await shared.take(order, listeners);
  } catch (error) {
    if (!(error instanceof ProcessEndedError)) throw error;
  }
  const leave = await alone.take(owner, signal);
  const own = new SnapshotProcess();
  try {
    return await own.take(order, listeners);
  } catch (error) {
    throw error instanceof ProcessEndedError ? new FolderTooLargeError(".") : error;
  } finally {
    own.end();
    leave();
  }
}

/** A snapshot process with its pending snapshots. While idle, it does not keep the parent alive. */
class SnapshotProcess {
  readonly #child: ChildProcess;
  readonly #pending = new Map<number, Pending>();
  #newest = 0;
  #heardAt = 0;
  #timer: NodeJS.Timeout | undefined;
  isOver = false;

  constructor() {
    this.#child = spawnLimitedNode(
      join(import.meta.dirname, "snapshot-process"),
      "omoi-snapshots",
      LIMITS,
    );
    this.#child.on("message", (message: FromProcess) => this.#hear(message));
    this.#child.once("error", () => this.#over());
    this.#child.once("exit", () => this.#over());
    this.#rest();
  }

  /**
   * @throws like `snapshotFolder`
   * @throws ProcessEndedError
   */
  async take(order: Order, { signal, ...listeners }: Listeners): Promise<Snapshot> {
    if (signal?.aborted) throw new GitError("aborted", null, "", []);
    this.#newest += 1;
    const id = this.#newest;
    const abort = (): void => this.#say({ kind: "abort", id });
    const late = setTimeout(() => this.end(), SNAPSHOT_MS);
    signal?.addEventListener("abort", abort, { once: true });
    try {
      return await new Promise<Snapshot>((resolve, reject) => {
        this.#pending.set(id, { commands: [], resolve, reject, ...listeners });
        if (this.#pending.size === 1) this.#watch();
        this.#say({ kind: "take", id, order });
      });
    } finally {
      clearTimeout(late);
      signal?.removeEventListener("abort", abort);
      for (const command of this.#pending.get(id)?.commands ?? []) publish("gitCommand", command);
      this.#pending.delete(id);
      if (this.#pending.size === 0) this.#rest();
    }
  }

  /** Kills the process; pending snapshots fail with a ProcessEndedError. */
  end(): void {
    this.#child.kill("SIGKILL");
  }

  #say(message: ToProcess): void {
    // A failed send is followed by the end of the process.
    this.#child.send(message, () => undefined);
  }

  #hear(message: FromProcess): void {
    this.#heardAt = performance.now();
    if (message.kind === "pong") return;
    const pending = this.#pending.get(message.id);
    if (message.kind === "changes") {
      return this.#tell(message.id, pending, () => pending?.onChanges?.());
    }
    if (message.kind === "tree") {
      return this.#tell(message.id, pending, () => pending?.onTree?.(message.found));
    }
    if (pending) pending.commands = message.commands;
    if (pending?.failure) pending.reject(pending.failure);
    else if (message.kind === "taken") pending?.resolve(message.snapshot);
    else pending?.reject(receiveError(message.error));
  }

  #tell(id: number, pending: Pending | undefined, listener: () => void): void {
    try {
      listener();
    } catch (error) {
      if (pending) pending.failure = error as Error;
      this.#say({ kind: "abort", id });
    }
  }

  /** Kills a process whose event loop is blocked. */
  #watch(): void {
    this.#child.ref();
    this.#child.channel?.ref();
    this.#heardAt = performance.now();
    this.#timer = setInterval(() => {
      if (performance.now() - this.#heardAt > SILENT_MS) this.end();
      else this.#say({ kind: "ping" });
    }, PING_MS);
  }

  #rest(): void {
    clearInterval(this.#timer);
    this.#child.unref();
    this.#child.channel?.unref();
  }

  #over(): void {
    this.isOver = true;
    clearInterval(this.#timer);
    for (const pending of this.#pending.values()) pending.reject(new ProcessEndedError());
  }
}
