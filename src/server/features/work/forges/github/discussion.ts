import {
  isLogin,
  MAX_COMMENTS,
  MAX_ISSUES,
  type ForgeDiscussion,
  type RemoteComment,
  type RemoteIssue,
  type RemotePerson,
} from "../forge-discussion.js";
import { ForgeError } from "../forge.js";
import { call, part, readPages, type GithubClient } from "./call.js";

/** Pages of issues and pull requests together that are read to find issues. */
const MAX_ISSUE_PAGES = 20;

type DiscussionCalls = Pick<
  ForgeDiscussion,
  "readIssue" | "listIssues" | "listComments" | "createComment" | "updateComment" | "canWrite"
>;

export function discussionCalls(octokit: GithubClient): DiscussionCalls {
  return {
    readIssue: (repository, number) =>
      call(async () => {
        const at = { ...part(repository), issue_number: number };
        const { data } = await octokit.request(
          "GET /repos/{owner}/{repo}/issues/{issue_number}",
          at,
        );
        return issueOf(data);
      }),
    listIssues: (repository, since) =>
      call(async () => {
        const found = [];
        const pages = octokit.paginate.iterator("GET /repos/{owner}/{repo}/issues", {
          ...part(repository),
          state: "all",
          sort: "updated",
          direction: "asc",
          per_page: 100,
          ...(since !== null && { since }),
        });
        let read = 0;
        for await (const { data } of pages) {
          // To GitHub a pull request is an issue, too.
          found.push(...data.filter(({ pull_request: pull }) => pull === undefined));
          read += 1;
          if (found.length >= MAX_ISSUES || read >= MAX_ISSUE_PAGES) break;
        }
        return found.slice(0, MAX_ISSUES).map(issueOf);
      }),
    listComments: ({ repository, number }, since) =>
      call(async () => {
        const pages = octokit.paginate.iterator(
          "GET /repos/{owner}/{repo}/issues/{issue_number}/comments",
          {
            ...part(repository),
            issue_number: number,
            per_page: 100,
            ...(since !== null && { since }),
          },
        );
        return (await readPages(pages, MAX_COMMENTS)).map(commentOf);
      }),
    createComment: ({ repository, number }, body) =>
      call(async () => {
        const { data } = await octokit.request(
          "POST /repos/{owner}/{repo}/issues/{issue_number}/comments",
          { ...part(repository), issue_number: number, body },
        );
        return commentOf(data);
      }),
    updateComment: ({ repository }, id, body) =>
      call(async () => {
        await octokit.request("PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}", {
          ...part(repository),
          comment_id: Number(id),
          body,
        });
      }),
    canWrite: async (repository, login) => {
      if (!isLogin(login)) return false;
      try {
        return await call(async () => {
          const { data } = await octokit.request(
            "GET /repos/{owner}/{repo}/collaborators/{username}/permission",
            { ...part(repository), username: login },
          );
          // The roles `maintain` and `triage` count as `write` and `read` there.
          return data.permission === "admin" || data.permission === "write";
        });
      } catch (error) {
        if (error instanceof ForgeError && error.failure === "not_found") return false;
        throw error;
      }
    },
  };
}

interface User {
  login: string;
  type?: string;
}

interface Issue {
  number: number;
  title: string;
  body?: string | null | undefined;
  html_url: string;
  state: string;
  user: User | null;
  labels: (string | { name?: string | null })[];
  assignees?: User[] | null;
  updated_at: string;
}

function issueOf(issue: Issue): RemoteIssue {
  return {
    number: issue.number,
    title: issue.title,
    body: issue.body ?? "",
    url: issue.html_url,
    state: issue.state === "open" ? "open" : "closed",
    author: personOf(issue.user),
    labels: issue.labels.flatMap((label) =>
      typeof label === "string" ? label : (label.name ?? []),
    ),
    assignees: (issue.assignees ?? []).map(({ login }) => login),
    updated_at: issue.updated_at,
  };
}

/** A deleted account is named as on GitHub's pages. */
export const personOf = (user: User | null): RemotePerson => ({
  login: user?.login ?? "ghost",
  is_bot: user?.type === "Bot",
});

interface Comment {
  id: number | bigint;
  body?: string | null | undefined;
  user: User | null;
  html_url: string;
  created_at: string;
  updated_at: string;
}

export const commentOf = (comment: Comment): RemoteComment => ({
  id: String(comment.id),
  body: comment.body ?? "",
  author: personOf(comment.user),
  url: comment.html_url,
  created_at: comment.created_at,
  updated_at: comment.updated_at,
});
