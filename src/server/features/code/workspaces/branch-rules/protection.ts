import type { Choice, MergeStrategy } from "#shared/api/code/merges.js";
import {
  branchNameProblem,
  needsQueue,
  protectionOf,
  type ProtectedBranch,
} from "#shared/code/protection.js";
import { presetTitles } from "#shared/execution/run-choices.js";
import { AppError, invalidField } from "../../../../errors.js";

/** @throws AppError 409 `branch_protected` for a branch that could be taken for a protected one */
export function requireBranchName(entries: readonly ProtectedBranch[], branch: string): void {
  const problem = branchNameProblem(branch, entries);
  if (problem !== null) throw new AppError("branch_protected", `The branch ${branch} ${problem}.`);
}

/**
 * @throws AppError 409 `branch_protected` for a branch that changes only through the merge queue, or could be taken
 * for a protected one
 */
export function requireUnprotected(entries: readonly ProtectedBranch[], branch: string): void {
  requireBranchName(entries, branch);
  const entry = protectionOf(entries, branch);
  if (!needsQueue(entry)) return;
  throw new AppError(
    "branch_protected",
    `${branch} changes only through the merge queue (${requirementsOf(entry)}); send queue: true.`,
    { checks: entry.checks, approvals: entry.approvals },
  );
}

const reviewersOf = (reviews: ProtectedBranch["reviews"]): string =>
  [...new Set(reviews.map(({ preset }) => presetTitles[preset]))].join(", ");

/** Returns the checks, approvals and second opinions of a protected branch as a text. */
export function requirementsOf({ checks, approvals, reviews }: ProtectedBranch): string {
  const people = approvals === 1 ? "1 approval" : `${approvals} approvals`;
  return [
    ...(checks.length > 0 ? [`checks: ${checks.join(", ")}`] : []),
    ...(approvals > 0 ? [people] : []),
    ...(reviews.length > 0 ? [`second opinions: ${reviewersOf(reviews)}`] : []),
  ].join("; ");
}

/**
 * Returns the strategy that a branch prescribes; null if it prescribes none.
 * @throws AppError 422 if the request names another
 */
export function requiredStrategy(
  entries: readonly ProtectedBranch[],
  branch: string,
  {
    strategy,
    resolutions,
  }: { strategy?: MergeStrategy | undefined; resolutions?: readonly Choice[] | undefined },
): MergeStrategy | null {
  const required = protectionOf(entries, branch)?.strategy ?? null;
  if (required === null) return null;
  if (strategy !== undefined && strategy !== required) {
    throw invalidField("strategy", `must be ${required}, which ${branch} prescribes`);
  }
  if (resolutions !== undefined && required !== "manual") {
    throw invalidField("resolutions", `are not accepted: ${branch} prescribes ${required}`);
  }
  return required;
}
