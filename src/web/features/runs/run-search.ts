import type { Run } from "#shared/api/runs.js";
import { runStatuses } from "#shared/run-statuses.js";

/** The part of an address that tells how an agent's runs are looked at. */
export interface RunSearch {
  /** Those of one status alone. */
  run?: Run["status"] | undefined;
  /** The oldest first; else the newest. */
  sort?: "started" | undefined;
}

export function runSearchOf(search: Record<string, unknown>): RunSearch {
  const status = runStatuses.find((one) => one === search["run"]);
  return {
    ...(status === undefined ? {} : { run: status }),
    ...(search["sort"] === "started" ? { sort: "started" } : {}),
  };
}
