import type { Comment, Issue } from "gitea-js";
import {
  isLogin,
  MAX_COMMENTS,
  MAX_ISSUES,
  type ForgeDiscussion,
  type RemoteComment,
  type RemoteIssue,
} from "../forge-discussion.js";
import { ForgeError } from "../forge.js";
import { PAGE, part, readPages, type GiteaClient } from "./client.js";
import { personOf } from "./people.js";

/** Gitea lists the newest issues first, so that more are read than are returned. */
const MAX_READ_ISSUES = 4 * MAX_ISSUES;

type DiscussionCalls = Pick<
  ForgeDiscussion,
  "readIssue" | "listIssues" | "listComments" | "createComment" | "updateComment" | "canWrite"
>;

export function discussionCalls(api: GiteaClient): DiscussionCalls {
  return {
    readIssue: async (repository, number) =>
      issueOf((await api.repos.issueGetIssue(...part(repository), number)).data),
    listIssues: async (repository, since) => {
      const found = await readPages(async (page) => {
        const { data } = await api.repos.issueListIssues(...part(repository), {
          state: "all",
          type: "issues",
          page,
          limit: PAGE,
          ...(since !== null && { since }),
        });
        return data;
      }, MAX_READ_ISSUES);
      return found
        .map(issueOf)
        .sort((one, other) => Date.parse(one.updated_at) - Date.parse(other.updated_at))
        .slice(0, MAX_ISSUES);
    },
    listComments: async ({ repository, number }, since) => {
      const query = since === null ? {} : { since };
      const { data } = await api.repos.issueGetComments(...part(repository), number, query);
      return data.slice(0, MAX_COMMENTS).map(commentOf);
    },
    createComment: async ({ repository, number }, body) =>
      commentOf((await api.repos.issueCreateComment(...part(repository), number, { body })).data),
    updateComment: async ({ repository }, id, body) => {
      await api.repos.issueEditComment(...part(repository), Number(id), { body });
    },
    canWrite: async (repository, login) => {
      if (!isLogin(login)) return false;
      try {
        const { data } = await api.repos.repoGetRepoPermissions(...part(repository), login);
        return ["write", "admin", "owner"].includes(data.permission ?? "");
      } catch (error) {
        if (error instanceof ForgeError && error.failure === "not_found") return false;
        throw error;
      }
    },
  };
}

const issueOf = (issue: Issue): RemoteIssue => ({
  number: issue.number ?? 0,
  title: issue.title ?? "",
  body: issue.body ?? "",
  url: issue.html_url ?? "",
  state: issue.state === "open" ? "open" : "closed",
  author: personOf(issue.user),
  labels: (issue.labels ?? []).map(({ name }) => name ?? ""),
  assignees: (issue.assignees ?? []).map(({ login }) => login ?? ""),
  updated_at: issue.updated_at ?? "",
});

export const commentOf = (comment: Comment): RemoteComment => ({
  id: String(comment.id ?? 0),
  body: comment.body ?? "",
  author: personOf(comment.user),
  url: comment.html_url ?? "",
  created_at: comment.created_at ?? "",
  updated_at: comment.updated_at ?? "",
});
