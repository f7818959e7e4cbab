import type {
  Comment,
  CreateHookOption,
  CreateIssueCommentOption,
  EditHookOption,
  EditIssueCommentOption,
  Hook,
  Issue,
  RepoCollaboratorPermission,
  TimelineComment,
} from "gitea-js";
import { notFound, type ForgeDouble } from "../forge-double.js";
import { isPull, type DoubleComment, type DoubleIssue, type DoublePull } from "../records.js";
import type { DoubleRepository } from "../repository.js";
import { editComment, pageOf, removeHook, saveHook, since, type Routes } from "../routes.js";
import { inRepository, PAGE, paged } from "./paths.js";
import type { Fields } from "./pulls.js";

const { ofRepository, ofSubject } = inRepository;
const base = "/repos/{owner}/{repo}";
const comment = { body: "string" } satisfies Fields<CreateIssueCommentOption>;
const edit = { body: "string" } satisfies Fields<EditIssueCommentOption>;
const config = { url: "string", content_type: "string", secret: "string" } as const;
const editHook = { active: "boolean", events: "strings", config } satisfies Fields<EditHookOption>;
const createHook = { ...editHook, type: "string" } satisfies Fields<CreateHookOption>;

export const issueRoutes: Routes = {
  [`GET ${base}/issues`]: {
    query: { ...paged, state: "string", type: "string", since: "string" },
    answer: ofRepository((asked) => {
      const { double, repository, query } = asked;
      const changed = since(repository.issues, query.get("since"));
      const newestFirst = [...changed].sort((one, other) => other.number - one.number);
      const shown = newestFirst.map((one) => issueOf(double, repository, one));
      return pageOf(asked, shown, PAGE);
    }),
  },
  [`GET ${base}/issues/{index}`]: {
    answer: inRepository.ofIssue(({ double, repository, issue }) => ({
      body: issueOf(double, repository, issue),
    })),
  },
  [`GET ${base}/issues/{index}/timeline`]: {
    query: { ...paged, since: "string", before: "string" },
    answer: inRepository.ofIssue((asked) => {
      const entries = asked.issue.activity.map(({ login, label, assignee, at }, id) => ({
        id,
        user: { login },
        created_at: at,
        ...(label !== undefined && { type: "label", body: "1", label: { name: label } }),
        ...(assignee !== undefined && { type: "assignees", assignee: { login: assignee } }),
      })) satisfies TimelineComment[];
      return pageOf(asked, entries, PAGE);
    }),
  },
  [`GET ${base}/issues/{index}/comments`]: {
    query: { since: "string", before: "string" },
    answer: ofSubject(({ double, repository, subject, query }) => ({
      body: since(subject.comments, query.get("since")).map((one) =>
        commentOf(double, repository, subject, one),
      ),
    })),
  },
  [`POST ${base}/issues/{index}/comments`]: {
    body: comment,
    answer: ofSubject(({ double, repository, subject, body, login }) => {
      const made = repository.comment(subject, login, String(body["body"]));
      return { status: 201, body: commentOf(double, repository, subject, made) };
    }),
  },
  [`PATCH ${base}/issues/comments/{comment_id}`]: {
    body: edit,
    answer: ofRepository((asked) =>
      editComment(asked, (one, on) => commentOf(asked.double, asked.repository, on, one)),
    ),
  },
  [`GET ${base}/collaborators/{collaborator}/permission`]: {
    answer: ofRepository(({ repository, parts }) => {
      const login = parts["collaborator"] ?? "";
      if (login === "nobody") return notFound;
      const permission = repository.permissions.get(login) ?? "none";
      return { body: { permission, user: { login } } satisfies RepoCollaboratorPermission };
    }),
  },
  [`GET ${base}/hooks`]: {
    query: paged,
    answer: ofRepository((asked) => {
      const own = asked.double.outbox.hooks.filter(
        (one) => one.repository === asked.repository.name,
      );
      return pageOf(asked, own.map(hookOf), PAGE);
    }),
  },
  [`POST ${base}/hooks`]: {
    body: createHook,
    answer: ofRepository((asked) => {
      const saved = saveHook(asked, asked.body["config"] as { url: string; secret: string });
      return saved ? { status: 201, body: hookOf(saved) } : notFound;
    }),
  },
  [`PATCH ${base}/hooks/{hook_id}`]: {
    body: editHook,
    answer: ofRepository((asked) => {
      const saved = saveHook(asked, asked.body["config"] as { url: string; secret: string });
      return saved ? { body: hookOf(saved) } : notFound;
    }),
  },
  [`DELETE ${base}/hooks/{hook_id}`]: { answer: ofRepository(removeHook) },
};

const hookOf = ({ id, url }: { id: number; url: string }): Hook => ({
  id,
  type: "gitea",
  config: { url, content_type: "json" },
});

export function issueOf(double: ForgeDouble, { name }: DoubleRepository, issue: DoubleIssue) {
  return {
    number: issue.number,
    title: issue.title,
    body: issue.body,
    html_url: `${double.url}/${name}/issues/${issue.number}`,
    state: issue.state,
    user: { login: issue.login },
    labels: issue.labels.map((label) => ({ name: label })),
    assignees: issue.assignees.map((login) => ({ login })),
    updated_at: issue.updated,
  } satisfies Issue;
}

export function commentOf(
  double: Pick<ForgeDouble, "url">,
  { name }: DoubleRepository,
  on: DoubleIssue | DoublePull,
  one: DoubleComment,
) {
  const place = isPull(on) ? "pulls" : "issues";
  return {
    id: one.id,
    body: one.body,
    user: { login: one.login },
    html_url: `${double.url}/${name}/${place}/${on.number}#issuecomment-${one.id}`,
    created_at: one.created,
    updated_at: one.updated,
  } satisfies Comment;
}
