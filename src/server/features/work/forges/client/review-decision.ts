import type { PullRequest } from "#shared/api/work/pull-requests.js";

interface Review {
  login: string;
  verdict: string;
}

/**
 * Returns what reviews decide together: the last verdict of each reviewer counts, and comments are none.
 * @param reviews oldest first
 * @param isAsked whether someone was asked for a review
 */
export function decisionOf(
  reviews: readonly Review[],
  isAsked: boolean,
): PullRequest["review_decision"] {
  const verdicts = new Map<string, string>();
  for (const { login, verdict } of reviews) {
    if (/^(APPROVED|CHANGES_REQUESTED|REQUEST_CHANGES|DISMISSED)$/.test(verdict)) {
      verdicts.set(login, verdict);
    }
  }
  const last = [...verdicts.values()];
  if (last.some((verdict) => /CHANGES/.test(verdict))) return "changes_requested";
  if (last.includes("APPROVED")) return "approved";
  return isAsked ? "review_required" : null;
}
