/** The merge drivers of a merge, and their results. */
import type { MergeDriver, MergeDriverName } from "#shared/code/merge-drivers.js";

/** The version of the drivers' algorithms. Every change of their results needs a new one. */
export const DRIVERS_VERSION = 1;

/** The drivers of one merge, recorded to compute it again. */
export interface AppliedDrivers {
  version: number;
  drivers: MergeDriver[];
  /** Paths merged by lines because the data merge exceeded its limits (display text). */
  lines: string[];
  /**
   * The results of the driver `regenerate`. Without the list, its commands have yet to run, and the merge
   * is not complete.
   */
  regenerated?: RegeneratedFile[];
}

/**
 * The result of the driver `regenerate` for one file: a blob, the reason for a conflict, or `pending` in a
 * preview. A file without result is a conflict, resolved by hand.
 */
export type RegeneratedFile = {
  /** Display text. */
  path: string;
  /** The run of the command, with its log; null if it did not start. */
  run_id: string | null;
} & ({ oid: string } | { reason: string } | { pending: true });

/** The drivers of a merge that starts now. */
export function currentDrivers(drivers: MergeDriver[]): AppliedDrivers {
  return { version: DRIVERS_VERSION, drivers, lines: [] };
}

export const NO_DRIVERS: AppliedDrivers = currentDrivers([]);

/** A file that a driver applied to. */
export interface DriverFile {
  /** Display text. */
  path: string;
  driver: MergeDriverName;
  result: "merged" | "conflict" | "lines" | "pending";
  /** Why the driver did not merge it, in one sentence. */
  reason: string | null;
  /** The command of `regenerate`, and its run. */
  command?: string[];
  run_id?: string | null;
}

/** The result of one driver for one file: a blob, a conflict of the data, or git's own merge. */
export type DriverResult =
  | { result: "merged"; oid: string }
  | { result: "conflict" | "lines"; reason: string };

export const byLines = (reason: string): DriverResult => ({ result: "lines", reason });
