import type { Agent } from "#shared/api/work/agents.js";

/** Values of the agents' status filter. */
export const works = ["running", "queued", "needs_you", "ready", "idle"] as const;
export type Work = (typeof works)[number];

/** How agents are shown. */
export const agentsViews = ["list", "board"] as const;
export type AgentsView = (typeof agentsViews)[number];

export function workOf({
  status,
  queued_run,
}: Agent): "running" | "queued" | "idle" | "terminated" {
  return status === "idle" && queued_run !== null ? "queued" : status;
}

/** The status filter of a list of agents. */
export function workSearchOf(search: Record<string, unknown>): { status?: Work } {
  const status = works.find((work) => work === search["status"]);
  return status === undefined ? {} : { status };
}

/** Whether agents are shown as a list or a board. */
export function viewSearchOf(search: Record<string, unknown>): { view?: AgentsView } {
  const view = agentsViews.find((candidate) => candidate === search["view"]);
  return view === undefined ? {} : { view };
}
