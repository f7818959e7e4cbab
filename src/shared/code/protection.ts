import type { ReviewerName } from "../execution/run-choices.js";
import { matchesPattern } from "./merge-drivers.js";
import type { mergeStrategies } from "./workspace-choices.js";

/** A second opinion that each merge needs. */
export interface RequiredReview {
  /** The program that reviews. */
  preset: ReviewerName;
  /** What it should look at, beside the change as a whole; may be empty. */
  prompt: string;
}

/** Whether two requirements are the same. */
export const isSameReview = (one: RequiredReview, another: RequiredReview): boolean =>
  one.preset === another.preset && one.prompt === another.prompt;

/** The rules of the branches whose names match a pattern. */
export interface ProtectedBranch {
  pattern: string;
  /** The names of the checks that each commit must pass before it lands. */
  checks: string[];
  /** The number of people who must approve. */
  approvals: number;
  /** The only strategy of merges into the branch; null for any. */
  strategy: (typeof mergeStrategies)[number] | null;
  /** Whether an approval ends when the change differs from the reviewed one. */
  dismiss_stale_approvals: boolean;
  /** Whether open threads hold a merge up. */
  resolve_threads: boolean;
  /** Second opinions that a merge of a task needs. */
  reviews: RequiredReview[];
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

/** Names that git resolves to another branch: `refs/heads/main` is main. */
const QUALIFIED = /^(?:refs|heads)\//i;

/**
 * Returns why a branch must not be created, moved or merged into, as a clause: people and file systems would take
 * it for another, protected branch. Null for a name that is allowed.
 * @param entries the rules of the project's branches; none where only the name counts
 */
export function branchNameProblem(
  branch: string,
  entries: readonly Pick<ProtectedBranch, "pattern">[] = [],
): string | null {
  if (QUALIFIED.test(branch)) return "must not begin with refs/ or heads/";
  const covers = (pattern: string): boolean => matchesPattern(pattern, branch);
  if (branch.startsWith("workspace-") || entries.some(({ pattern }) => covers(pattern)))
    return null;
  const lower = branch.toLowerCase();
  const alike = entries.find(({ pattern }) => matchesPattern(pattern.toLowerCase(), lower));
  return alike ? `differs by case alone from the protected branch ${alike.pattern}` : null;
}

/** Whether a branch changes only through the merge queue. */
export function needsQueue(entry: ProtectedBranch | undefined): entry is ProtectedBranch {
  return (
    entry !== undefined &&
    (entry.checks.length > 0 || entry.approvals > 0 || entry.reviews.length > 0)
  );
}

/** The rules of a project's branches, and what its checks do. */
export interface Protection {
  entries: readonly ProtectedBranch[];
  /** The definition of each check, by name; always with the same order of fields. */
  checks: ReadonlyMap<string, object>;
}

/**
 * Returns the approvals that a change of protection needs by the old rules: the highest number that a
 * weakened rule asks for; 0 if no rule that asks for approvals is weakened. A change that may leave a
 * branch with less counts as weakening, even if no such branch exists.
 */
export function weakenedApprovals(before: Protection, after: Protection): number {
  const isChanged = (check: string): boolean =>
    JSON.stringify(before.checks.get(check)) !== JSON.stringify(after.checks.get(check));
  const weakened = before.entries.filter(
    (entry) => !isKept(before.entries, after.entries, entry) || entry.checks.some(isChanged),
  );
  return Math.max(0, ...weakened.map(({ approvals }) => approvals));
}

/** Whether every branch that follows an entry of the old list follows one at least as strict in the new. */
function isKept(
  before: readonly ProtectedBranch[],
  after: readonly ProtectedBranch[],
  entry: ProtectedBranch,
): boolean {
  const { pattern } = entry;
  const follows = (branch: string): boolean => protectionOf(before, branch) === entry;
  if (!pattern.includes("*")) {
    const now = protectionOf(after, pattern);
    return !follows(pattern) || (now !== undefined && isAsStrict(now, entry));
  }
  const earlier = new Set(before.slice(0, before.indexOf(entry)).map((rule) => rule.pattern));
  const at = after.findIndex((rule) => rule.pattern === pattern);
  return (
    at !== -1 &&
    after.slice(0, at + 1).every(
      (rule) =>
        isAsStrict(rule, entry) ||
        // Branches that match it did not follow the entry before.
        earlier.has(rule.pattern) ||
        (!rule.pattern.includes("*") && !follows(rule.pattern)),
    )
  );
}

/** Whether everything that lands by one rule could land by the other, too. */
export function isAsStrict(rule: ProtectedBranch, base: ProtectedBranch): boolean {
  return (
    rule.approvals >= base.approvals &&
    base.checks.every((check) => rule.checks.includes(check)) &&
    base.reviews.every((review) => rule.reviews.some((kept) => isSameReview(kept, review))) &&
    (base.strategy === null || rule.strategy === base.strategy) &&
    (rule.dismiss_stale_approvals || !base.dismiss_stale_approvals) &&
    (rule.resolve_threads || !base.resolve_threads)
  );
}
