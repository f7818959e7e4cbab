import type { Agent } from "#shared/api/agents.js";

/** What agents can be narrowed to by what they do. */
export const works = ["running", "queued", "idle"] as const;
export type Work = (typeof works)[number];

export function workOf({ status, queued_run }: Agent): Work | "terminated" {
  return status === "idle" && queued_run !== null ? "queued" : status;
}

/** The part of an address that narrows a list of agents. */
export function workSearchOf(search: Record<string, unknown>): { status?: Work } {
  const status = works.find((work) => work === search["status"]);
  return status === undefined ? {} : { status };
}
