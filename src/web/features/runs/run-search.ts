import { type Run, runStatus } from "#shared/api/runs.js";

/** The part of an address that tells how an agent's runs are looked at. */
export interface RunSearch {
  /** Those of one status alone. */
  run?: Run["status"] | undefined;
  /** The oldest first; else the newest. */
  sort?: "started" | undefined;
}

export function runSearchOf(search: Record<string, unknown>): RunSearch {
  const status = runStatus.safeParse(search["run"]);
  return {
    ...(status.success ? { run: status.data } : {}),
    ...(search["sort"] === "started" ? { sort: "started" } : {}),
  };
}
