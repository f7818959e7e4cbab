import type {
  AcceptMergeRequestOptions,
  CreateMergeRequestOptions,
  EditMergeRequestOptions,
  ExpandedMergeRequestSchema,
  MergeRequestReviewerSchema,
} from "@gitbeaker/rest";
import type { ForgeDouble } from "../forge-double.js";
import type { DoublePull } from "../records.js";
import type { DoubleRepository } from "../repository.js";
import { mergeAnswer, pageOf, type Routes } from "../routes.js";
import { inProject, loginOf, PAGE, paged, requests, userOf, type Fields } from "./paths.js";

const { ofPull, ofRepository } = inProject;
const create = { description: "string" } satisfies Fields<CreateMergeRequestOptions>;
const edit = {
  title: "string",
  description: "string",
  target_branch: "string",
  add_labels: "string",
  reviewer_ids: "numbers",
  state_event: "string",
} satisfies Fields<EditMergeRequestOptions>;
const accept = { squash: "boolean", sha: "string" } satisfies Fields<AcceptMergeRequestOptions>;

export const requestRoutes: Routes = {
  [`GET ${requests}`]: {
    query: { ...paged, source_branch: "string", state: "string" },
    answer: ofRepository(async (asked) => {
      const { double, repository, query } = asked;
      const branch = query.get("source_branch");
      const open = repository.pulls.filter((one) => one.state === "open" && one.head === branch);
      const shown = await Promise.all(open.map((one) => requestOf(double, repository, one)));
      return pageOf(asked, shown, PAGE);
    }),
  },
  [`POST ${requests}`]: {
    body: { ...create, source_branch: "string", target_branch: "string", title: "string" },
    answer: ofRepository(async ({ double, repository, body, login }) => {
      const {
        source_branch: head = "",
        target_branch: base = "",
        title = "",
        description = "",
      } = body as Partial<Record<string, string>>;
      if (repository.pulls.some((one) => one.state === "open" && one.head === head)) {
        const message = [`Another open merge request already exists for this source branch: !1`];
        return { status: 409, body: { message } };
      }
      const request = { head, base, title, body: description, draft: false };
      const made = await repository.open(request, login);
      return { status: 201, body: await requestOf(double, repository, made) };
    }),
  },
  [`GET ${requests}/{iid}`]: {
    answer: ofPull(async ({ double, repository, pull }) => ({
      body: await requestOf(double, repository, pull),
    })),
  },
  [`PUT ${requests}/{iid}`]: {
    body: edit,
    answer: ofPull(async ({ double, repository, pull, body }) => {
      const {
        title,
        description,
        target_branch: base,
        add_labels: labels,
      } = body as Partial<Record<string, string>>;
      if (title !== undefined) pull.title = title;
      if (description !== undefined) pull.body = description;
      if (base !== undefined) pull.base = base;
      if (labels !== undefined) pull.labels.push(...labels.split(","));
      const reviewers = body["reviewer_ids"] as number[] | undefined;
      if (reviewers) pull.reviewers = reviewers.map((id) => loginOf(id) ?? "");
      if (body["state_event"] === "close") await repository.close(pull);
      return { body: await requestOf(double, repository, pull) };
    }),
  },
  [`PUT ${requests}/{iid}/merge`]: {
    body: accept,
    answer: ofPull(async (asked) => {
      const { double, repository, pull, body } = asked;
      const refused = await mergeAnswer(
        asked,
        {
          method: body["squash"] === true ? "squash" : "merge",
          sha: body["sha"],
          isDraft: pull.title.startsWith("Draft:"),
        },
        {
          notReady: "405 Method Not Allowed",
          otherHead: "SHA does not match HEAD of source branch",
        },
      );
      return refused ?? { body: await requestOf(double, repository, pull) };
    }),
  },
  [`GET ${requests}/{iid}/approvals`]: {
    answer: ofPull(({ pull }) => {
      const approved = pull.reviews.filter(({ state }) => state === "APPROVED");
      const approved_by = approved.map(({ login }) => ({ user: userOf(login) }));
      const updated_at = approved.at(-1)?.at ?? "";
      return { body: { approvals_required: 0, approvals_left: 0, updated_at, approved_by } };
    }),
  },
  [`GET ${requests}/{iid}/reviewers`]: {
    answer: ofPull(({ pull }) => ({
      body: pull.reviews.map(({ login, state, at }) => ({
        user: userOf(login) as never,
        state:
          state === "APPROVED"
            ? "approved"
            : state === "CHANGES_REQUESTED"
              ? "requested_changes"
              : "reviewed",
        created_at: at ?? "",
      })) satisfies Partial<MergeRequestReviewerSchema>[],
    })),
  },
};

async function requestOf(double: ForgeDouble, repository: DoubleRepository, pull: DoublePull) {
  const isMergeable = pull.state === "open" && (await repository.isMergeable(pull));
  const shown: Partial<ExpandedMergeRequestSchema> = {
    iid: pull.number,
    title: pull.title,
    description: pull.body,
    web_url: `${double.url}/${repository.name}/-/merge_requests/${pull.number}`,
    state: pull.state === "open" ? "opened" : pull.state,
    draft: pull.title.startsWith("Draft:"),
    sha: await repository.headOf(pull),
    source_branch: pull.head,
    target_branch: pull.base,
    author: userOf(pull.login) as never,
    labels: pull.labels,
    created_at: pull.created,
    source_project_id: repository.id,
    target_project_id: repository.id,
    merge_status: isMergeable ? "can_be_merged" : "cannot_be_merged",
    has_conflicts: pull.state === "open" && !isMergeable,
    merge_commit_sha: pull.mergedSha,
    squash_commit_sha: null,
    user_notes_count:
      pull.comments.length + pull.threads.flatMap(({ comments }) => comments).length,
  };
  const verdicts = new Map(pull.reviews.map(({ login, state }) => [login, state]));
  const isBlocked = [...verdicts.values()].includes("CHANGES_REQUESTED");
  const detailed_merge_status = isBlocked ? "requested_changes" : "mergeable";
  return { ...shown, detailed_merge_status, reviewers: pull.reviewers.map(userOf) };
}
