import type { RequiredReview } from "#shared/code/protection.js";
import { presetTitles } from "#shared/execution/run-choices.js";
import type { OpinionRow, ReadOpinion } from "./opinions.queries.js";

/** The subject of an opinion: a commit, and the id of its change. */
export interface OpinionChange {
  head: string;
  patchId: string | null;
}

/** Whether an opinion is about a commit, or about the same change on another base. */
export function isAbout(
  { commit_sha, patch_id }: Pick<OpinionRow, "commit_sha" | "patch_id">,
  { head, patchId }: OpinionChange,
): boolean {
  return commit_sha === head || (patch_id !== null && patch_id === patchId);
}

export const isOpenOpinion = ({ status }: Pick<OpinionRow, "status">): boolean =>
  status === "queued" || status === "running";

type Judged = Pick<ReadOpinion, "preset" | "status" | "verdict" | "open_threads" | "dismissed">;

/** Returns why an opinion holds up a merge that requires it, as a sentence; null if it does not. */
export function blockOf(opinion: Judged): string | null {
  const { preset, status, verdict, open_threads: open, dismissed } = opinion;
  const name = presetTitles[preset];
  if (dismissed !== null) return null;
  if (isOpenOpinion(opinion)) return `Waiting for the second opinion of ${name}.`;
  if (status === "failed") {
    return `The second opinion of ${name} has failed; retry it, or dismiss it with a reason.`;
  }
  if (status === "cancelled") {
    return `The second opinion of ${name} was canceled; retry it, or dismiss it with a reason.`;
  }
  if (verdict !== "request_changes" || open === 0) return null;
  const threads = open === 1 ? "its thread" : `its ${open} threads`;
  return `${name} requests changes; resolve ${threads}, or dismiss its opinion with a reason.`;
}

/**
 * Returns the opinion that counts for a requirement, of those on an agent's work, newest first: the newest one on the
 * change that was not given up, else the newest one.
 */
export function countingOpinion<Read extends ReadOpinion>(
  opinions: readonly Read[],
  { preset, prompt }: RequiredReview,
  change: OpinionChange,
): Read | undefined {
  const fitting = opinions.filter(
    // Another model may be a weaker one.
    (one) =>
      one.preset === preset && one.prompt === prompt && one.model === null && isAbout(one, change),
  );
  return (
    fitting.find(
      ({ status, dismissed }) =>
        dismissed !== null || (status !== "failed" && status !== "cancelled"),
    ) ?? fitting[0]
  );
}
