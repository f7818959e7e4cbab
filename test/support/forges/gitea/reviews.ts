import type {
  CreatePullReviewComment,
  CreatePullReviewOptions,
  PullReview,
  PullReviewComment,
} from "gitea-js";
import { notFound, type ForgeDouble } from "../forge-double.js";
import type { DoubleComment, DoublePull, DoubleThread } from "../records.js";
import type { DoubleRepository } from "../repository.js";
import { pageOf, type Routes } from "../routes.js";
import { commentOf } from "./issues.js";
import { inRepository, PAGE, paged } from "./paths.js";
import type { Fields } from "./pulls.js";

const { ofPull, ofRepository } = inRepository;
const reviews = "/repos/{owner}/{repo}/pulls/{index}/reviews";
const line = {
  path: "string",
  body: "string",
  new_position: "number",
  old_position: "number",
} satisfies Fields<CreatePullReviewComment>;
const create = {
  event: "string",
  commit_id: "string",
  body: "string",
  comments: [line],
} satisfies Fields<CreatePullReviewOptions>;

/** Comments on lines belong to a review of their own. */
const REVIEW_OF_COMMENT = 1_000_000;

export const reviewRoutes: Routes = {
  [`GET ${reviews}`]: {
    query: paged,
    answer: ofPull((asked) => pageOf(asked, reviewsOf(asked.pull), PAGE)),
  },
  [`POST ${reviews}`]: {
    body: create,
    answer: ofPull(({ repository, pull, body, login }) => {
      const { comments = [], commit_id: sha = "" } = body as CreatePullReviewOptions;
      const [first] = comments;
      if (!first) return { status: 422, body: { message: "Review has no content" } };
      const side = (first.old_position ?? 0) > 0 ? "old" : "new";
      const position = side === "old" ? first.old_position : first.new_position;
      const place = { path: first.path ?? "", line: position ?? null, startLine: null, side, sha };
      const known = pull.threads.find(
        (one) => one.path === place.path && one.line === place.line && one.side === side,
      );
      const text = first.body ?? "";
      const made = known
        ? repository.reply(pull, known, login, text)
        : repository.openThread(pull, login, place as DoubleThread, text).comments[0];
      return { body: reviewsOf(pull).find(({ id }) => id === REVIEW_OF_COMMENT + (made?.id ?? 0)) };
    }),
  },
  [`GET ${reviews}/{id}/comments`]: {
    answer: ofPull(({ double, repository, pull, parts }) => {
      const id = Number(parts["id"]) - REVIEW_OF_COMMENT;
      for (const thread of pull.threads) {
        const found = thread.comments.find((one) => one.id === id);
        if (found) return { body: [lineCommentOf(double, repository, pull, thread, found)] };
      }
      return { body: [] };
    }),
  },
  ...Object.fromEntries(
    // Since Gitea 1.26; the types of the client are older.
    ["resolve", "unresolve"].map((verb) => [
      `POST /repos/{owner}/{repo}/pulls/comments/{id}/${verb}`,
      {
        answer: ofRepository(({ repository, parts }) => {
          const threads = repository.pulls.flatMap((pull) => pull.threads);
          const thread = threads.find(({ id }) => id === Number(parts["id"]));
          if (!thread) return notFound;
          thread.isResolved = verb === "resolve";
          return { status: 204 };
        }),
      } satisfies Routes[string],
    ]),
  ),
};

const stateOf = (state: string): NonNullable<PullReview["state"]> =>
  state === "CHANGES_REQUESTED" ? "REQUEST_CHANGES" : state === "COMMENTED" ? "COMMENT" : state;

function reviewsOf(pull: DoublePull): PullReview[] {
  const own = pull.reviews.map((review, at): PullReview => ({
    id: pull.number * 1000 + at,
    user: { login: review.login },
    state: stateOf(review.state),
    body: review.body ?? "",
    commit_id: review.sha ?? "",
    submitted_at: review.at ?? "",
    comments_count: 0,
  }));
  const ofComments = pull.threads.flatMap(({ comments, sha }) =>
    comments.map((one): PullReview => ({
      id: REVIEW_OF_COMMENT + one.id,
      user: { login: one.login },
      state: "COMMENT",
      body: "",
      commit_id: sha,
      submitted_at: one.created,
      comments_count: 1,
    })),
  );
  return [...own, ...ofComments];
}

function lineCommentOf(
  double: ForgeDouble,
  repository: DoubleRepository,
  pull: DoublePull,
  thread: DoubleThread,
  one: DoubleComment,
): PullReviewComment {
  const position = thread.line ?? 0;
  return {
    ...commentOf(double, repository, pull, one),
    path: thread.path,
    commit_id: thread.sha,
    position: thread.side === "new" ? position : 0,
    original_position: thread.side === "old" ? position : 0,
    ...(thread.isResolved && { resolver: { login: "lead" } }),
  };
}
