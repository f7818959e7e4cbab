import type { Merge } from "#shared/api/code/merges.js";
import { inForeground } from "../foreground.js";
import { AppError } from "../../../../errors.js";
import { RegenerationRequired } from "./planning/regenerate-files.js";
import { publish, secondsSince } from "#shared/node/measurements.js";

/**
 * Measures a merge, revert, restore or sync including its wait for the lease. A rejected one has no
 * strategy yet. One that commands have to prepare is measured afterwards.
 */
export async function measureMerge(work: () => Promise<Merge>): Promise<Merge> {
  const start = performance.now();
  try {
    const merge = await inForeground(work);
    const { status, resolution_strategy: strategy } = merge;
    publish("merge", { status, strategy, seconds: secondsSince(start) });
    return merge;
  } catch (error) {
    if (error instanceof RegenerationRequired) throw error;
    const isRejected = error instanceof AppError && error.status < 500;
    const status = isRejected ? "rejected" : "failed";
    publish("merge", { status, strategy: "unknown", seconds: secondsSince(start) });
    throw error;
  }
}
