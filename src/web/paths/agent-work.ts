import type { Agent } from "#shared/api/agents/agents.js";

/** Values of the agents' status filter. */
export const works = ["running", "queued", "idle"] as const;
export type Work = (typeof works)[number];

export function workOf({ status, queued_run }: Agent): Work | "terminated" {
  return status === "idle" && queued_run !== null ? "queued" : status;
}

/** The status filter of a list of agents. */
export function workSearchOf(search: Record<string, unknown>): { status?: Work } {
  const status = works.find((work) => work === search["status"]);
  return status === undefined ? {} : { status };
}
