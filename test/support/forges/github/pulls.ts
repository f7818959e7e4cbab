import type { components } from "@octokit/openapi-types";
import type { DoublePull } from "../records.js";
import {
  mergeAnswer,
  pageOf,
  type Answering,
  type Asked,
  type RepositoryAsked,
} from "../routes.js";
import { inRepository, PAGE, userOf } from "./paths.js";

type Schemas = components["schemas"];

const { ofPull, ofRepository, ofSubject } = inRepository;
const pulls = "/repos/{owner}/{repo}/pulls";

export const pullAnswers: Record<string, Answering<Asked>> = {
  [`GET ${pulls}`]: ofRepository(async (asked) => {
    const { repository, query } = asked;
    const [, head] = (query.get("head") ?? "").split(":");
    const found = repository.pulls.filter((one) => one.state === "open" && one.head === head);
    return pageOf(asked, await Promise.all(found.map((one) => pullOf(asked, one))), PAGE);
  }),
  [`POST ${pulls}`]: ofRepository(async (asked) => {
    const { repository, body, login } = asked;
    const {
      head,
      base,
      title,
      body: text = "",
      draft = false,
    } = body as Partial<DoublePull> & Pick<DoublePull, "head" | "base" | "title">;
    const isOpen = repository.pulls.some((one) => one.state === "open" && one.head === head);
    const reason = isOpen
      ? `A pull request already exists for acme:${head}.`
      : (await repository.sha(base)) === null
        ? "base is invalid"
        : null;
    if (reason !== null) {
      return { status: 422, body: { message: "Validation Failed", errors: [{ message: reason }] } };
    }
    const made = await repository.open({ head, base, title, body: text, draft }, login);
    return { status: 201, body: await pullOf(asked, made) };
  }),
  [`GET ${pulls}/{pull_number}`]: ofPull(async (asked) => ({
    body: await pullOf(asked, asked.pull),
  })),
  [`PATCH ${pulls}/{pull_number}`]: ofPull(async (asked) => {
    const { repository, pull, body } = asked;
    const { state, ...changes } = body;
    Object.assign(pull, changes);
    if (state === "closed") await repository.close(pull);
    return { body: await pullOf(asked, pull) };
  }),
  [`PUT ${pulls}/{pull_number}/merge`]: ofPull(async (asked) => {
    const { merge_method: method = "merge", sha } = asked.body as {
      merge_method?: "merge" | "squash" | "rebase";
      sha?: string;
    };
    const refused = await mergeAnswer(
      asked,
      { method, sha, isDraft: asked.pull.draft },
      {
        notReady: "Pull Request is not mergeable",
        otherHead: "Head branch was modified. Review and try the merge again.",
      },
    );
    return refused ?? { body: { merged: true, message: "", sha: asked.pull.mergedSha } };
  }),
  [`POST ${pulls}/{pull_number}/requested_reviewers`]: ofPull(async (asked) => {
    asked.pull.reviewers.push(...(asked.body["reviewers"] as string[]));
    return { status: 201, body: await pullOf(asked, asked.pull) };
  }),
  "POST /repos/{owner}/{repo}/issues/{issue_number}/labels": ofSubject(({ subject, body }) => {
    subject.labels.push(...(body["labels"] as string[]));
    return { body: subject.labels.map((label) => ({ name: label })) };
  }),
};

async function pullOf({ double, repository }: RepositoryAsked, pull: DoublePull) {
  const sha = await repository.headOf(pull);
  const shown = {
    number: pull.number,
    node_id: `PR_${repository.id}_${pull.number}`,
    title: pull.title,
    body: pull.body,
    html_url: `${double.url}/${repository.name}/pull/${pull.number}`,
    state: pull.state === "open" ? "open" : "closed",
    draft: pull.draft,
    merged: pull.state === "merged",
    mergeable: pull.state === "open" ? await repository.isMergeable(pull) : null,
    merge_commit_sha: pull.mergedSha,
    comments: pull.comments.length,
    review_comments: pull.threads.flatMap(({ comments }) => comments).length,
  } satisfies Partial<Schemas["pull-request"]>;
  return {
    ...shown,
    user: userOf(pull.login),
    labels: pull.labels.map((name) => ({ name })),
    created_at: pull.created,
    head: { ref: pull.head, sha, repo: { full_name: repository.name } },
    base: { ref: pull.base, repo: { full_name: repository.name } },
    requested_reviewers: pull.reviewers.map((login) => ({ login })),
  };
}
