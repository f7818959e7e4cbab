/** The data merges of one operation. */
import type { DriverResult } from "../applied-drivers.js";
import type { DataProcesses, DataJob } from "./data-processes.js";
import type { DataMerge } from "./merge-data.js";

/**
 * Maximum time of all data merges of one operation, without the wait for its turns. A file with 95 000 keys
 * takes about a second, or several if only a general parser reads it; hostile files hold a process no longer.
 */
const TOTAL_MS = 20_000;

interface DataMergesOptions {
  /** False while the operation holds locks, and with them a connection to the database. */
  waits?: boolean;
  signal?: AbortSignal;
  timeMs?: number;
}

/**
 * Merges files for one operation, such as a preview, within a total time. Results are remembered, because
 * an operation may compute its merge several times.
 */
export class DataMerges {
  /** Results by the versions of a file; null for a file that exceeded the limits. */
  readonly results = new Map<string, DriverResult | null>();
  readonly waits: boolean;
  /** Aborted when the server stops or the operation is canceled. */
  readonly signal: AbortSignal;
  readonly #processes: DataProcesses;
  readonly #owner: string;
  #leftMs: number;

  /** @param owner the organization, for a fair order */
  constructor(
    processes: DataProcesses,
    owner: string,
    { waits = true, signal, timeMs = TOTAL_MS }: DataMergesOptions = {},
  ) {
    this.#processes = processes;
    this.#owner = owner;
    this.#leftMs = timeMs;
    this.waits = waits;
    this.signal = signal ? AbortSignal.any([signal, processes.signal]) : processes.signal;
  }

  /**
   * Merges a file in the organization's turn; null if that exceeds the limits.
   * @throws MergesUnavailableError
   * @throws DataBusyError if it must not wait for its turn
   */
  async merge(job: Pick<DataJob, "bytes" | "read">, waits: boolean): Promise<DataMerge | null> {
    if (this.#leftMs <= 0) return null;
    const found = await this.#processes.merge({
      ...job,
      owner: this.#owner,
      timeMs: this.#leftMs,
      waits,
      signal: this.signal,
    });
    if (found === "busy") throw new DataBusyError();
    this.#leftMs -= found.ms;
    return found.merged;
  }
}

/**
 * Data merges have to wait for their turn, but the operation holds locks. Once it has released them, it
 * calls `awaitResults`, which waits and remembers the results, and begins again.
 */
export class DataBusyError extends Error {
  override readonly name = "DataBusyError";
  awaitResults: () => Promise<void> = () => Promise.resolve();

  constructor() {
    super("other data merges of the organization, or of others, are under way");
  }
}
