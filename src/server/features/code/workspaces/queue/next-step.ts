/**
 * Decides what a merge queue does next. The state is only the results of checks on commits, so a
 * restart continues where the queue was.
 */

/** The result of a commit's required checks. */
export type Verdict =
  | { status: "passed" | "failed"; requestedAt: string; endedAt: string }
  | { status: "unknown" };

export type Step =
  /** Move the branch to the candidate after the first `count` requests. */
  | { action: "land"; count: number }
  /** Wait for the checks of the candidate after the first `count` requests; 0 is the branch itself. */
  | { action: "check"; count: number }
  /** Reject the first request. */
  | { action: "reject"; wasBrokenBefore: boolean };

/**
 * Returns the next step for a batch. `verdicts[n]` belongs to the candidate after the first `n`
 * requests, `verdicts[0]` to the branch itself.
 *
 * The whole batch is checked first. If it fails, bisection finds the first candidate that fails: the
 * candidates before it land, and then its last request is the first of the batch, with a branch that
 * passes. The branch itself takes part in the bisection, once, after the failure, so that a request is
 * not blamed for what was broken before. Among five requests that takes at most three further checks.
 */
export function nextStep(verdicts: readonly Verdict[]): Step {
  const size = verdicts.length - 1;
  for (let count = size; count >= 1; count -= 1) {
    if (verdicts[count]?.status === "passed") return { action: "land", count };
  }
  const failing = verdicts.findIndex(({ status }, count) => count >= 1 && status === "failed");
  if (failing === -1) return { action: "check", count: size };
  const branch = stateOfBranch(verdicts[0], firstFailureOf(verdicts));
  if (failing === 1) {
    return branch === "unknown"
      ? { action: "check", count: 0 }
      : { action: "reject", wasBrokenBefore: branch === "failed" };
  }
  // On a broken branch only the first request by itself can be a repair.
  if (branch === "failed") return { action: "check", count: 1 };
  const lowest = branch === "passed" ? 0 : -1;
  return { action: "check", count: Math.floor((lowest + failing) / 2) };
}

/** Returns when the first check of a candidate failed; undefined if none has. */
export function firstFailureOf([, ...candidates]: readonly Verdict[]): string | undefined {
  return candidates
    .flatMap((verdict) => (verdict.status === "failed" ? [verdict.endedAt] : []))
    .toSorted()[0];
}

/** The branch's own result counts only if it was requested after the first failure of a candidate. */
function stateOfBranch(
  branch: Verdict | undefined,
  firstFailure: string | undefined,
): Verdict["status"] {
  if (branch === undefined || branch.status === "unknown") return "unknown";
  if (firstFailure === undefined || branch.requestedAt < firstFailure) return "unknown";
  return branch.status;
}
