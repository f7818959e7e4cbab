import type { components } from "@octokit/openapi-types";
import { notFound } from "../forge-double.js";
import { isPull, type DoubleComment, type DoubleIssue, type DoublePull } from "../records.js";
import type { DoubleRepository } from "../repository.js";
import {
  editComment,
  pageOf,
  removeHook,
  saveHook,
  since,
  type Answering,
  type Asked,
  type RepositoryAsked,
} from "../routes.js";
import { inRepository, PAGE, userOf } from "./paths.js";

type Schemas = components["schemas"];

const { ofRepository, ofSubject } = inRepository;
const base = "/repos/{owner}/{repo}";

export const issueAnswers: Record<string, Answering<Asked>> = {
  [`GET ${base}/issues`]: ofRepository((asked) => {
    const { repository, query, double } = asked;
    const changed = since(repository.issues, query.get("since"));
    changed.sort((one, other) => one.updated.localeCompare(other.updated));
    const shown = changed.map((one) => issueOf(double.url, repository, one));
    const pulls = repository.pulls.map((one) => issueOf(double.url, repository, one));
    return pageOf(asked, [...pulls, ...shown], PAGE);
  }),
  [`GET ${base}/issues/{issue_number}`]: ofSubject(({ double, repository, subject }) => ({
    body: issueOf(double.url, repository, subject),
  })),
  [`GET ${base}/issues/{issue_number}/comments`]: ofSubject((asked) => {
    const { double, repository, subject, query } = asked;
    const changed = since(subject.comments, query.get("since"));
    const shown = changed.map((one) => commentOf(double.url, repository, subject, one));
    return pageOf(asked, shown, PAGE);
  }),
  [`GET ${base}/issues/{issue_number}/events`]: ofSubject((asked) => {
    const { subject } = asked;
    const activity = isPull(subject) ? [] : subject.activity;
    const events = activity.map(({ login, label, assignee, at }, id) => ({
      id,
      event: label === undefined ? "assigned" : "labeled",
      actor: userOf(login),
      created_at: at,
      ...(label !== undefined && { label: { name: label, color: "ffffff" } }),
      ...(assignee !== undefined && { assignee: userOf(assignee), assigner: userOf(login) }),
    }));
    return pageOf(asked, events, PAGE);
  }),
  [`POST ${base}/issues/{issue_number}/comments`]: ofSubject((asked) => {
    const { double, repository, subject, body, login } = asked;
    const made = repository.comment(subject, login, String(body["body"]));
    return { status: 201, body: commentOf(double.url, repository, subject, made) };
  }),
  [`PATCH ${base}/issues/comments/{comment_id}`]: ofRepository((asked) =>
    editComment(asked, (one, on) => commentOf(asked.double.url, asked.repository, on, one)),
  ),
  [`GET ${base}/collaborators/{username}/permission`]: ofRepository(({ repository, parts }) => {
    const login = parts["username"] ?? "";
    if (login === "nobody") return notFound;
    const permission = repository.permissions.get(login) ?? "none";
    return { body: { permission, role_name: permission, user: userOf(login) } };
  }),
  [`GET ${base}/hooks`]: ofRepository((asked) => {
    const { double, repository } = asked;
    const own = double.outbox.hooks.filter((one) => one.repository === repository.name);
    return pageOf(asked, own.map(hookOf), PAGE);
  }),
  [`POST ${base}/hooks`]: ofRepository((asked) => hookAnswer(asked, 201)),
  [`PATCH ${base}/hooks/{hook_id}`]: ofRepository((asked) => hookAnswer(asked, 200)),
  [`DELETE ${base}/hooks/{hook_id}`]: ofRepository(removeHook),
};

function hookAnswer(asked: RepositoryAsked, status: number) {
  const saved = saveHook(asked, asked.body["config"] as { url: string; secret: string });
  return saved ? { status, body: hookOf(saved) } : notFound;
}

const hookOf = ({ id, url }: { id: number; url: string }) => ({
  id,
  config: { url, content_type: "json", secret: "********" },
});

export function issueOf(url: string, { name }: DoubleRepository, one: DoubleIssue | DoublePull) {
  const place = isPull(one) ? "pull" : "issues";
  return {
    number: one.number,
    title: one.title,
    body: one.body,
    html_url: `${url}/${name}/${place}/${one.number}`,
    state: one.state === "open" ? "open" : "closed",
    user: userOf(one.login) as never,
    labels: one.labels.map((label) => ({ name: label })),
    assignees: isPull(one) ? [] : one.assignees.map((login) => userOf(login) as never),
    updated_at: isPull(one) ? "2020-01-01T00:00:00Z" : one.updated,
    ...(isPull(one) && { pull_request: { url: "" } as never }),
  } satisfies Partial<Schemas["issue"]>;
}

export function commentOf(
  url: string,
  { name }: DoubleRepository,
  on: DoubleIssue | DoublePull,
  one: DoubleComment,
) {
  const place = isPull(on) ? "pull" : "issues";
  return {
    id: one.id,
    body: one.body,
    user: userOf(one.login) as never,
    html_url: `${url}/${name}/${place}/${on.number}#issuecomment-${one.id}`,
    created_at: one.created,
    updated_at: one.updated,
  } satisfies Partial<Schemas["issue-comment"]>;
}
