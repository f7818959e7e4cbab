import type { PullReview, PullReviewComment } from "gitea-js";
import {
  MAX_COMMENTS,
  MAX_REVIEWS,
  type ForgeDiscussion,
  type RemoteReview,
  type RemoteThread,
} from "../forge-discussion.js";
import { ForgeError } from "../forge.js";
import { PAGE, part, readPages, type GiteaClient } from "./client.js";
import { commentOf } from "./discussion.js";
import { personOf } from "./people.js";

/** Each review with comments takes one more request. */
const MAX_READ_REVIEWS = 200;

const verdicts: Readonly<Record<string, RemoteReview["verdict"]>> = {
  APPROVED: "approve",
  REQUEST_CHANGES: "request_changes",
  COMMENT: "comment",
};

type ReviewCalls = Pick<
  ForgeDiscussion,
  "listReviews" | "listThreads" | "createThread" | "replyToThread" | "resolveThread"
>;

export function reviewCalls(api: GiteaClient): ReviewCalls {
  const readReviews = (repository: string, number: number): Promise<PullReview[]> =>
    readPages(async (page) => {
      const at = [...part(repository), number] as const;
      return (await api.repos.repoListPullReviews(...at, { page, limit: PAGE })).data;
    }, MAX_REVIEWS);

  const readThreads = async (repository: string, number: number): Promise<RemoteThread[]> => {
    const reviews = await readReviews(repository, number);
    const withComments = reviews.filter((review) => (review.comments_count ?? 0) > 0);
    const comments: PullReviewComment[] = [];
    for (const { id = 0 } of withComments.slice(0, MAX_READ_REVIEWS)) {
      const at = [...part(repository), number, id] as const;
      comments.push(...(await api.repos.repoGetPullReviewComments(...at)).data);
      if (comments.length >= MAX_COMMENTS) break;
    }
    return threadsOf(comments.slice(0, MAX_COMMENTS));
  };

  /** Comments on a line, by a review of its own: Gitea shows all comments on a line as one thread. */
  const comment = async (
    repository: string,
    number: number,
    place: Pick<RemoteThread, "path" | "line" | "side" | "commit_sha">,
    body: string,
  ): Promise<PullReviewComment> => {
    const { path, line, side, commit_sha: commit } = place;
    if (line === null) throw refused("Gitea has comments on lines only, not on whole files.");
    const at = [...part(repository), number] as const;
    const { data: review } = await api.repos.repoCreatePullReview(...at, {
      event: "COMMENT",
      comments: [
        { path, body, ...(side === "old" ? { old_position: line } : { new_position: line }) },
      ],
      ...(commit !== null && { commit_id: commit }),
    });
    const { data } = await api.repos.repoGetPullReviewComments(...at, review.id ?? 0);
    const [made] = data;
    if (!made) throw refused("The forge made a review without its comment.");
    return made;
  };

  return {
    listReviews: async (repository, number) =>
      (await readReviews(repository, number)).flatMap((review) => {
        const verdict = verdicts[review.state ?? ""];
        if (verdict === undefined || review.dismissed === true) return [];
        return {
          id: String(review.id ?? 0),
          author: personOf(review.user),
          verdict,
          body: review.body ?? "",
          commit_sha: review.commit_id || null,
          submitted_at: review.submitted_at ?? "",
        };
      }),
    listThreads: readThreads,
    createThread: async (repository, number, { body, ...place }) => {
      const made = await comment(repository, number, place, body);
      const threads = await readThreads(repository, number);
      const thread = threads.find(({ comments }) =>
        comments.some(({ id }) => id === String(made.id)),
      );
      return thread ?? threadOf(made);
    },
    replyToThread: async (repository, number, threadId, body) => {
      const thread = (await readThreads(repository, number)).find(({ id }) => id === threadId);
      if (!thread) throw new ForgeError("not_found", "The forge has no such thread.");
      return commentOf(await comment(repository, number, thread, body));
    },
    resolveThread: async (repository, _number, threadId, resolved) => {
      const [owner, repo] = part(repository);
      try {
        // Since Gitea 1.26; the types of the client are older.
        await api.request<void>({
          path: `/repos/${owner}/${repo}/pulls/comments/${Number(threadId)}/${resolved ? "resolve" : "unresolve"}`,
          method: "POST",
          secure: true,
        });
      } catch (error) {
        if (!(error instanceof ForgeError) || !["not_found", "refused"].includes(error.failure)) {
          throw error;
        }
        throw refused(
          "This forge resolves threads on its pages only; Gitea can do more since version 1.26.",
        );
      }
    },
  };
}

const refused = (sentence: string): ForgeError => new ForgeError("refused", sentence);

/** Puts the comments on one line together, oldest first. */
function threadsOf(comments: readonly PullReviewComment[]): RemoteThread[] {
  const threads = new Map<string, RemoteThread>();
  const oldestFirst = [...comments].sort((one, other) => (one.id ?? 0) - (other.id ?? 0));
  for (const comment of oldestFirst) {
    const { path, side, line } = threadOf(comment);
    const key = JSON.stringify([path, side, line]);
    const thread = threads.get(key);
    if (thread) thread.comments.push(commentOf(comment));
    else threads.set(key, threadOf(comment));
  }
  return [...threads.values()];
}

/** Gitea counts in the file after the change (`position`), or before it (`original_position`). */
function threadOf(first: PullReviewComment): RemoteThread {
  const isNew = (first.position ?? 0) > 0;
  return {
    id: String(first.id ?? 0),
    path: first.path ?? "",
    line: (isNew ? first.position : first.original_position) || null,
    start_line: null,
    side: isNew ? "new" : "old",
    commit_sha: first.commit_id || null,
    resolved: first.resolver != null,
    comments: [commentOf(first)],
  };
}
