import type { RunSearch } from "../api/queries/execution/runs.js";
import { runStatuses } from "#shared/execution/run-choices.js";

/** Filter and sort order of an agent's runs. */
export function runSearchOf(search: Record<string, unknown>): RunSearch {
  const status = runStatuses.find((known) => known === search["run"]);
  return {
    ...(status === undefined ? {} : { run: status }),
    ...(search["sort"] === "started" ? { sort: "started" } : {}),
  };
}
