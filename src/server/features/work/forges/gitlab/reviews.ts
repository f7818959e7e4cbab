import { MergeRequestApprovals, MergeRequestNotes, MergeRequests } from "@gitbeaker/rest";
import { MAX_REVIEWS, type ForgeDiscussion, type RemoteReview } from "../forge-discussion.js";
import type { GitlabOptions } from "./client.js";
import { personOf } from "./people.js";

const PAGE = 100;
/** The texts of the notes that GitLab writes with a verdict. */
const NOTES = { approve: "approved this merge request", request_changes: "requested changes" };

type ReviewCalls = Pick<ForgeDiscussion, "listReviews">;

/** GitLab has no reviews: they are made from its approvals, the states of its reviewers and the notes about them. */
export function reviewCalls(options: GitlabOptions): ReviewCalls {
  const approvals = new MergeRequestApprovals(options);
  const requests = new MergeRequests(options);
  const notes = new MergeRequestNotes(options);
  return {
    listReviews: async (repository, number) => {
      const [approval, reviewers] = await Promise.all([
        approvals.showConfiguration(repository, { mergerequestIId: number }),
        requests.showReviewers(repository, number),
      ]);
      const verdicts = [
        ...(approval.approved_by ?? []).map(({ user }) => ({
          user,
          verdict: "approve" as const,
          at: approval.updated_at,
        })),
        ...reviewers
          .filter(({ state }) => state === "requested_changes")
          .map(({ user, created_at: at }) => ({ user, verdict: "request_changes" as const, at })),
      ];
      if (verdicts.length === 0) return [];
      const newest = await notes.all(repository, number, {
        sort: "desc",
        orderBy: "created_at",
        perPage: PAGE,
        maxPages: MAX_REVIEWS / PAGE,
      });
      const reviews = verdicts.map(({ user, verdict, at }): RemoteReview => {
        const note = newest.find(
          ({ system, body, author }) =>
            system && body === NOTES[verdict] && author.username === user.username,
        );
        return {
          id: note ? String(note.id) : `${verdict}-${user.id}`,
          author: personOf(user),
          verdict,
          body: "",
          commit_sha: null,
          submitted_at: note?.created_at ?? at,
        };
      });
      return reviews
        .sort((one, other) => one.submitted_at.localeCompare(other.submitted_at))
        .slice(0, MAX_REVIEWS);
    },
  };
}
