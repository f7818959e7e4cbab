import {
  MAX_COMMENTS,
  MAX_REVIEWS,
  type ForgeDiscussion,
  type RemoteReview,
  type RemoteThread,
} from "../forge-discussion.js";
import { ForgeError } from "../forge.js";
import { call, part, readPages, type GithubClient } from "./call.js";
import { commentOf, personOf } from "./discussion.js";

interface Comment {
  id: number | bigint;
  path: string;
  body: string;
  line?: number;
  original_line?: number;
  start_line?: number | null;
  original_start_line?: number | null;
  side?: string;
  subject_type?: string;
  commit_id: string;
  original_commit_id: string;
  user: { login: string; type?: string } | null;
  html_url: string;
  created_at: string;
  updated_at: string;
}

const verdicts: Readonly<Record<string, RemoteReview["verdict"]>> = {
  APPROVED: "approve",
  CHANGES_REQUESTED: "request_changes",
  COMMENTED: "comment",
};

type ReviewCalls = Pick<
  ForgeDiscussion,
  "listReviews" | "listThreads" | "createThread" | "replyToThread" | "resolveThread"
>;

export function reviewCalls(octokit: GithubClient): ReviewCalls {
  const at = (repository: string, number: number) => ({
    ...part(repository),
    pull_number: number,
  });
  return {
    listReviews: (repository, number) =>
      call(async () => {
        const pages = octokit.paginate.iterator(
          "GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews",
          { ...at(repository, number), per_page: 100 },
        );
        // Reviews that are pending or dismissed have no verdict.
        return (await readPages(pages, MAX_REVIEWS)).flatMap((review) => {
          const verdict = verdicts[review.state];
          if (verdict === undefined) return [];
          return {
            id: String(review.id),
            author: personOf(review.user),
            verdict,
            body: review.body,
            commit_sha: review.commit_id,
            submitted_at: review.submitted_at ?? "",
          };
        });
      }),
    listThreads: (repository, number) =>
      call(async () => {
        const pages = octokit.paginate.iterator(
          "GET /repos/{owner}/{repo}/pulls/{pull_number}/comments",
          { ...at(repository, number), per_page: 100, sort: "created", direction: "asc" },
        );
        const comments = await readPages(pages, MAX_COMMENTS);
        if (comments.length === 0) return [];
        const resolutions = await readResolutions(octokit, repository, number);
        const threads = new Map<string, RemoteThread>();
        for (const comment of comments) {
          const first = threads.get(String(comment.in_reply_to_id ?? comment.id));
          if (first) first.comments.push(commentOf(comment));
          else {
            const isResolved = resolutions.get(String(comment.id))?.isResolved === true;
            threads.set(String(comment.id), threadOf(comment, isResolved));
          }
        }
        return [...threads.values()];
      }),
    createThread: (repository, number, { body, commit_sha, path, line, start_line, side }) =>
      call(async () => {
        const place = side === "old" ? ("LEFT" as const) : ("RIGHT" as const);
        const { data } = await octokit.request(
          "POST /repos/{owner}/{repo}/pulls/{pull_number}/comments",
          {
            ...at(repository, number),
            body,
            commit_id: commit_sha,
            path,
            ...(line === null ? { subject_type: "file" as const } : { line, side: place }),
            ...(line !== null &&
              start_line !== null &&
              start_line < line && { start_line, start_side: place }),
          },
        );
        return threadOf(data, false);
      }),
    replyToThread: (repository, number, threadId, body) =>
      call(async () => {
        const { data } = await octokit.request(
          "POST /repos/{owner}/{repo}/pulls/{pull_number}/comments/{comment_id}/replies",
          { ...at(repository, number), comment_id: Number(threadId), body },
        );
        return commentOf(data);
      }),
    resolveThread: (repository, number, threadId, resolved) =>
      call(async () => {
        const resolutions = await readResolutions(octokit, repository, number);
        const thread = resolutions.get(threadId);
        if (!thread) throw new ForgeError("not_found", "The forge has no such thread.");
        if (thread.isResolved === resolved) return;
        const name = resolved ? "resolveReviewThread" : "unresolveReviewThread";
        await octokit.graphql(
          `mutation($id: ID!) { ${name}(input: {threadId: $id}) { clientMutationId } }`,
          { id: thread.id },
        );
      }),
  };
}

function threadOf(first: Comment, resolved: boolean): RemoteThread {
  // The newest lines are unknown once the place has changed.
  const isOutdated = first.line == null && first.original_line != null;
  const line = first.line ?? first.original_line ?? null;
  const start = isOutdated ? first.original_start_line : first.start_line;
  const isFile = first.subject_type === "file";
  return {
    id: String(first.id),
    path: first.path,
    line: isFile ? null : line,
    start_line: isFile ? null : (start ?? null),
    side: first.side === "LEFT" ? "old" : "new",
    commit_sha: isOutdated ? first.original_commit_id : first.commit_id,
    resolved,
    comments: [commentOf(first)],
  };
}

interface Resolution {
  id: string;
  isResolved: boolean;
}

interface ThreadsAnswer {
  repository: {
    pullRequest: {
      reviewThreads: {
        pageInfo: { hasNextPage: boolean; endCursor: string | null };
        nodes: (Resolution & { comments: { nodes: { databaseId: number | bigint }[] } })[];
      };
    } | null;
  } | null;
}

const THREADS = `query($owner: String!, $repo: String!, $number: Int!, $after: String) {
  repository(owner: $owner, name: $repo) {
    pullRequest(number: $number) {
      reviewThreads(first: 100, after: $after) {
        pageInfo { hasNextPage endCursor }
        nodes { id isResolved comments(first: 1) { nodes { databaseId } } }
      }
    }
  }
}`;

/** Reads whether threads are resolved, by their first comment. Only the GraphQL API has it. */
async function readResolutions(
  octokit: GithubClient,
  repository: string,
  number: number,
): Promise<Map<string, Resolution>> {
  const found = new Map<string, Resolution>();
  let after: string | null = null;
  for (let page = 0; page < MAX_COMMENTS / 100; page += 1) {
    const variables = { ...part(repository), number, after };
    const answer: ThreadsAnswer = await octokit.graphql(THREADS, variables);
    const threads = answer.repository?.pullRequest?.reviewThreads;
    if (!threads) throw new ForgeError("not_found", "The forge has no such pull request.");
    for (const { id, isResolved, comments } of threads.nodes) {
      const [first] = comments.nodes;
      if (first) found.set(String(first.databaseId), { id, isResolved });
    }
    if (!threads.pageInfo.hasNextPage) break;
    after = threads.pageInfo.endCursor;
  }
  return found;
}
