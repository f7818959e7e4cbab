import type { ForgeKind } from "#shared/api/work/forges.js";

/** Shortest interval of asking for a repository, in seconds. */
export const SHORTEST_SECONDS = 30;
/** Interval of looking for events that were missed. */
export const RECONCILE_SECONDS = 10 * 60;
/** A repository is active so long after a change. */
export const ACTIVE_SECONDS = 60 * 60;

/**
 * Requests for polling in an hour. GitHub allows 5 000, GitLab.com 2 000 in a minute; Gitea has no limit of its own. The
 * rest is for what follows from changes.
 */
export const REQUESTS_PER_HOUR: Readonly<Record<ForgeKind, number>> = {
  github: 4000,
  gitlab: 36_000,
  gitea: 36_000,
};

/**
 * Returns the intervals of asking for the repositories of one connection, so that all together stay within its requests:
 * half of them is for active repositories once not all can be asked at the shortest interval.
 */
export function pollIntervals(
  kind: ForgeKind,
  { repositories, active }: { repositories: number; active: number },
): { active: number; idle: number } {
  const budget = REQUESTS_PER_HOUR[kind];
  const secondsFor = (count: number, requests: number): number =>
    Math.max(SHORTEST_SECONDS, Math.ceil((count * 3600) / requests));
  const together = secondsFor(repositories, budget);
  if (together === SHORTEST_SECONDS) return { active: together, idle: together };
  const forActive = secondsFor(active, budget / 2);
  const left = budget - Math.ceil((active * 3600) / forActive);
  const idle = secondsFor(repositories - active, Math.max(left, 1));
  return { active: forActive, idle };
}
