import { matchesPattern } from "./merge-drivers.js";
import type { mergeStrategies } from "./workspace-choices.js";

/** The rules of the branches whose names match a pattern. */
export interface ProtectedBranch {
  pattern: string;
  /** The names of the checks that each commit must pass before it lands. */
  checks: string[];
  /** The number of people who must approve. */
  approvals: number;
  /** The only strategy of merges into the branch; null for any. */
  strategy: (typeof mergeStrategies)[number] | null;
}

/**
 * Returns the rules of a branch: the first entry whose pattern matches; undefined for an unprotected
 * branch, and for every branch of a workspace.
 */
export function protectionOf(
  entries: readonly ProtectedBranch[],
  branch: string,
): ProtectedBranch | undefined {
  if (branch.startsWith("workspace-")) return undefined;
  return entries.find((entry) => matchesPattern(entry.pattern, branch));
}

/** Whether a branch changes only through the merge queue. */
export function needsQueue(entry: ProtectedBranch | undefined): entry is ProtectedBranch {
  return entry !== undefined && (entry.checks.length > 0 || entry.approvals > 0);
}
