import type { Choice, MergeStrategy } from "#shared/api/projects/merges.js";
import { needsQueue, protectionOf, type ProtectedBranch } from "#shared/protection.js";
import { AppError, invalidField } from "../../../errors.js";

/** @throws AppError 409 `branch_protected` for a branch that changes only through the merge queue */
export function requireUnprotected(entries: readonly ProtectedBranch[], branch: string): void {
  const entry = protectionOf(entries, branch);
  if (!needsQueue(entry)) return;
  throw new AppError(
    "branch_protected",
    `${branch} changes only through the merge queue (${requirementsOf(entry)}); send queue: true.`,
    { checks: entry.checks, approvals: entry.approvals },
  );
}

/** Returns the checks and approvals of a protected branch as a text. */
export function requirementsOf({ checks, approvals }: ProtectedBranch): string {
  const people = approvals === 1 ? "1 approval" : `${approvals} approvals`;
  return [
    ...(checks.length > 0 ? [`checks: ${checks.join(", ")}`] : []),
    ...(approvals > 0 ? [people] : []),
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
