import type {
  CreatePullRequestOption,
  EditPullRequestOption,
  IssueLabelsOption,
  MergePullRequestOption,
  PullRequest,
  PullReviewRequestOptions,
} from "gitea-js";
import type { Kind } from "../check-fields.js";
import { notFound, type ForgeDouble } from "../forge-double.js";
import type { DoublePull } from "../records.js";
import type { DoubleRepository } from "../repository.js";
import { mergeAnswer, pageOf, type Routes } from "../routes.js";
import { inRepository, PAGE, paged } from "./paths.js";

export type Fields<Option> = Partial<Record<keyof Option, Kind>>;

const { ofPull, ofRepository } = inRepository;
const pulls = "/repos/{owner}/{repo}/pulls";
const create = {
  title: "string",
  body: "string",
  head: "string",
  base: "string",
} satisfies Fields<CreatePullRequestOption>;
const edit = {
  title: "string",
  body: "string",
  base: "string",
  state: "string",
} satisfies Fields<EditPullRequestOption>;
const merge = { Do: "string", head_commit_id: "string" } satisfies Fields<MergePullRequestOption>;
const label = { labels: "numbers" } satisfies Fields<IssueLabelsOption>;
const ask = { reviewers: "strings" } satisfies Fields<PullReviewRequestOptions>;

const idOf = ({ labels }: DoubleRepository, name: string): number => labels.indexOf(name) + 100;

export const pullRoutes: Routes = {
  "GET /repos/{owner}/{repo}/labels": {
    query: paged,
    answer: ofRepository((asked) => {
      const { repository } = asked;
      const labels = repository.labels.map((name) => ({ id: idOf(repository, name), name }));
      return pageOf(asked, labels, PAGE);
    }),
  },
  [`GET ${pulls}`]: {
    query: { ...paged, state: "string", sort: "string" },
    answer: ofRepository(async (asked) => {
      const { double, repository } = asked;
      const open = repository.pulls.filter(({ state }) => state === "open");
      const shown = await Promise.all(open.map((one) => pullOf(double, repository, one)));
      return pageOf(asked, shown, PAGE);
    }),
  },
  [`POST ${pulls}`]: {
    body: create,
    answer: ofRepository(async ({ double, repository, body, login }) => {
      const { head = "", base = "", title = "", body: text = "" } = body as CreatePullRequestOption;
      if (repository.pulls.some((one) => one.state === "open" && one.head === head)) {
        return { status: 409, body: { message: "pull request already exists for these targets" } };
      }
      if ((await repository.sha(base)) === null) return notFound;
      const request = { head, base, title, body: text, draft: false };
      const made = await repository.open(request, login);
      return { status: 201, body: await pullOf(double, repository, made) };
    }),
  },
  [`GET ${pulls}/{index}`]: {
    answer: ofPull(async ({ double, repository, pull }) => ({
      body: await pullOf(double, repository, pull),
    })),
  },
  [`PATCH ${pulls}/{index}`]: {
    body: edit,
    answer: ofPull(async ({ double, repository, pull, body }) => {
      const { state, ...changes } = body as EditPullRequestOption;
      Object.assign(pull, changes);
      if (state === "closed") await repository.close(pull);
      return { status: 201, body: await pullOf(double, repository, pull) };
    }),
  },
  [`POST ${pulls}/{index}/merge`]: {
    body: merge,
    answer: ofPull(async (asked) => {
      const { Do, head_commit_id: sha } = asked.body as unknown as MergePullRequestOption;
      const refused = await mergeAnswer(
        asked,
        {
          method: Do as "merge" | "squash" | "rebase",
          sha,
          isDraft: asked.pull.title.startsWith("WIP:"),
        },
        { notReady: "Please try again later", otherHead: "head out of date" },
      );
      return refused ?? { status: 200 };
    }),
  },
  [`POST ${pulls}/{index}/requested_reviewers`]: {
    body: ask,
    answer: ofPull(({ pull, body }) => {
      pull.reviewers.push(...(body["reviewers"] as string[]));
      return { status: 201, body: [] };
    }),
  },
  "POST /repos/{owner}/{repo}/issues/{index}/labels": {
    body: label,
    answer: inRepository.ofSubject(({ repository, subject, body }) => {
      const ids = body["labels"] as number[];
      subject.labels.push(
        ...repository.labels.filter((one) => ids.includes(idOf(repository, one))),
      );
      return { body: [] };
    }),
  },
};

export async function pullOf(
  double: ForgeDouble,
  repository: DoubleRepository,
  pull: DoublePull,
): Promise<PullRequest> {
  return {
    number: pull.number,
    title: pull.title,
    body: pull.body,
    html_url: `${double.url}/${repository.name}/pulls/${pull.number}`,
    state: pull.state === "open" ? "open" : "closed",
    draft: pull.title.startsWith("WIP:"),
    merged: pull.state === "merged",
    mergeable: pull.state === "open" && (await repository.isMergeable(pull)),
    ...(pull.mergedSha !== null && { merge_commit_sha: pull.mergedSha }),
    comments: pull.comments.length,
    review_comments: pull.threads.flatMap(({ comments }) => comments).length,
    user: { login: pull.login },
    labels: pull.labels.map((name) => ({ name })),
    created_at: pull.created,
    head: { ref: pull.head, sha: await repository.headOf(pull), repo_id: repository.id },
    base: { ref: pull.base, repo_id: repository.id },
    requested_reviewers: pull.reviewers.map((login) => ({ login })),
  };
}
