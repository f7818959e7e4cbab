import type { components } from "@octokit/openapi-types";
import { notFound } from "../forge-double.js";
import type { DoubleComment, DoublePlace, DoubleThread } from "../records.js";
import { pageOf, type Answering, type Asked, type PullAsked } from "../routes.js";
import { commentOf } from "./issues.js";
import { inRepository, PAGE, userOf } from "./paths.js";

type Schemas = components["schemas"];

const { ofPull } = inRepository;
const pull = "/repos/{owner}/{repo}/pulls/{pull_number}";

export const reviewAnswers: Record<string, Answering<Asked>> = {
  [`GET ${pull}/reviews`]: ofPull((asked) => {
    const shown = asked.pull.reviews.map((review, at) => ({
      id: asked.pull.number * 1000 + at,
      user: userOf(review.login) as never,
      state: review.state,
      body: review.body ?? "",
      commit_id: review.sha ?? null,
      submitted_at: review.at ?? "",
    })) satisfies Partial<Schemas["pull-request-review"]>[];
    return pageOf(asked, shown, PAGE);
  }),
  [`GET ${pull}/comments`]: ofPull((asked) => {
    const all = asked.pull.threads.flatMap((thread) =>
      thread.comments.map((one) => reviewCommentOf(asked, thread, one)),
    );
    all.sort((one, other) => one.id - other.id);
    return pageOf(asked, all, PAGE);
  }),
  [`POST ${pull}/comments`]: ofPull((asked) => {
    const { body, side, line, start_line, path, commit_id } = asked.body as {
      body: string;
      side?: string;
      line?: number;
      start_line?: number;
      path: string;
      commit_id: string;
    };
    const place: DoublePlace = {
      path,
      line: line ?? null,
      startLine: start_line ?? null,
      side: side === "LEFT" ? "old" : "new",
      sha: commit_id,
    };
    const thread = asked.repository.openThread(asked.pull, asked.login, place, body);
    const [made] = thread.comments;
    return { status: 201, body: made && reviewCommentOf(asked, thread, made) };
  }),
  [`POST ${pull}/comments/{comment_id}/replies`]: ofPull((asked) => {
    const { repository, parts, body, login } = asked;
    const thread = asked.pull.threads.find(({ id }) => id === Number(parts["comment_id"]));
    if (!thread) return notFound;
    const made = repository.reply(asked.pull, thread, login, String(body["body"]));
    return { status: 201, body: reviewCommentOf(asked, thread, made) };
  }),
};

function reviewCommentOf(
  { double, repository, pull: on }: PullAsked,
  thread: DoubleThread,
  one: DoubleComment,
) {
  return {
    ...commentOf(double.url, repository, on, one),
    path: thread.path,
    commit_id: thread.sha,
    original_commit_id: thread.sha,
    ...(thread.line !== null && { line: thread.line, original_line: thread.line }),
    start_line: thread.startLine,
    original_start_line: thread.startLine,
    side: thread.side === "old" ? "LEFT" : "RIGHT",
    subject_type: thread.line === null ? "file" : "line",
    ...(one.id !== thread.id && { in_reply_to_id: thread.id }),
  } satisfies Partial<Schemas["pull-request-review-comment"]>;
}
