/** The data merges of an operation, and their waits. */
import {
  DataBusyError,
  DataMerges,
  MergesUnavailableError,
  type DataProcesses,
} from "#git/merge/merge.js";
import { unavailable } from "../../../../../errors.js";
import { previewRules, type RegenerationRules } from "./regenerate-files.js";

/** Attempts while the branches change during the waits. */
const MAX_ATTEMPTS = 5;

/** Returns the rules, by default those of a preview, with the data merges of the operation. */
export function withDataMerges(
  deps: { dataProcesses: DataProcesses },
  orgId: string,
  rules = previewRules,
): RegenerationRules & { data: DataMerges } {
  return { ...rules, data: rules.data ?? new DataMerges(deps.dataProcesses, orgId) };
}

/**
 * Computes merges.
 * @throws AppError 503 if the server is stopping, or if too many data merges of the organization wait
 */
export async function answerUnavailable<Result>(compute: () => Promise<Result>): Promise<Result> {
  try {
    return await compute();
  } catch (error) {
    throw error instanceof MergesUnavailableError ? unavailable(error.message) : error;
  }
}

/**
 * Makes a merge under locks. If its data merges have to wait for their turn, they do so without the locks, and
 * the merge begins again with their results.
 * @param work merges with `DataMerges` that must not wait
 * @throws AppError as `work`; 503 if the branches change each time
 */
export async function waitWithoutLocks<Result>(work: () => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof DataBusyError)) throw error;
      if (attempt === MAX_ATTEMPTS) {
        throw unavailable("The branches changed while the merge waited for its turn; try again.");
      }
      const { awaitResults } = error;
      await answerUnavailable(awaitResults);
    }
  }
}
