import type { Octokit } from "@octokit/core";
import { MAX_CHECKS, type Forge, type RemotePullRequest } from "../forge.js";
import { decisionOf } from "../client/review-decision.js";
import { call, part } from "./call.js";
import { personOf } from "./discussion.js";

type PullRequestCalls = Pick<
  Forge,
  | "findPullRequest"
  | "openPullRequest"
  | "updatePullRequest"
  | "addLabels"
  | "requestReviews"
  | "readPullRequest"
  | "markReady"
  | "mergePullRequest"
  | "closePullRequest"
>;

export function pullRequestCalls(octokit: Octokit): PullRequestCalls {
  return {
    findPullRequest: (repository, head) =>
      call(async () => {
        const { owner, repo } = part(repository);
        const { data } = await octokit.request("GET /repos/{owner}/{repo}/pulls", {
          owner,
          repo,
          state: "open",
          head: `${owner}:${head}`,
        });
        return data.find((request) => request.head.ref === head)?.number ?? null;
      }),
    openPullRequest: (repository, request) =>
      call(async () => {
        const { data } = await octokit.request("POST /repos/{owner}/{repo}/pulls", {
          ...part(repository),
          ...request,
        });
        return data.number;
      }),
    updatePullRequest: (repository, number, { title, body, base }) =>
      call(async () => {
        await octokit.request("PATCH /repos/{owner}/{repo}/pulls/{pull_number}", {
          ...part(repository),
          pull_number: number,
          ...(title !== undefined && { title }),
          ...(body !== undefined && { body }),
          ...(base !== undefined && { base }),
        });
      }),
    addLabels: (repository, number, labels) =>
      call(async () => {
        await octokit.request("POST /repos/{owner}/{repo}/issues/{issue_number}/labels", {
          ...part(repository),
          issue_number: number,
          labels: [...labels],
        });
      }),
    requestReviews: (repository, number, logins) =>
      call(async () => {
        await octokit.request(
          "POST /repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers",
          {
            ...part(repository),
            pull_number: number,
            reviewers: [...logins],
          },
        );
      }),
    readPullRequest: (repository, number) =>
      call(() => readPullRequest(octokit, part(repository), number)),
    markReady: (repository, number) =>
      call(async () => {
        const at = { ...part(repository), pull_number: number };
        const { data } = await octokit.request("GET /repos/{owner}/{repo}/pulls/{pull_number}", at);
        if (data.draft !== true) return;
        // Only the GraphQL API can do it.
        await octokit.graphql(
          "mutation($id: ID!) { markPullRequestReadyForReview(input: {pullRequestId: $id}) { clientMutationId } }",
          { id: data.node_id },
        );
      }),
    mergePullRequest: (repository, number, method, sha) =>
      call(async () => {
        await octokit.request("PUT /repos/{owner}/{repo}/pulls/{pull_number}/merge", {
          ...part(repository),
          pull_number: number,
          merge_method: method,
          sha,
        });
      }),
    closePullRequest: (repository, number) =>
      call(async () => {
        await octokit.request("PATCH /repos/{owner}/{repo}/pulls/{pull_number}", {
          ...part(repository),
          pull_number: number,
          state: "closed",
        });
      }),
  };
}

async function readPullRequest(
  octokit: Octokit,
  at: { owner: string; repo: string },
  number: number,
): Promise<RemotePullRequest> {
  const place = { ...at, pull_number: number };
  const { data: pull } = await octokit.request(
    "GET /repos/{owner}/{repo}/pulls/{pull_number}",
    place,
  );
  const commit = { ...at, ref: pull.head.sha };
  const [reviews, runs, statuses] = await Promise.all([
    octokit.request("GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews", {
      ...place,
      per_page: 100,
    }),
    octokit.request("GET /repos/{owner}/{repo}/commits/{ref}/check-runs", {
      ...commit,
      per_page: MAX_CHECKS,
    }),
    octokit.request("GET /repos/{owner}/{repo}/commits/{ref}/status", {
      ...commit,
      per_page: MAX_CHECKS,
    }),
  ]);
  const checks: RemotePullRequest["checks"] = [
    ...runs.data.check_runs.map(({ name, conclusion, html_url }) => ({
      name,
      status: conclusionOf(conclusion),
      url: html_url,
    })),
    ...statuses.data.statuses.map(({ context, state, target_url }) => ({
      name: context,
      status:
        state === "success"
          ? ("success" as const)
          : state === "pending"
            ? ("pending" as const)
            : ("failure" as const),
      url: target_url,
    })),
  ];
  const isOpen = pull.state === "open";
  return {
    title: pull.title,
    url: pull.html_url,
    state: pull.merged ? "merged" : !isOpen ? "closed" : pull.draft === true ? "draft" : "open",
    head_sha: pull.head.sha,
    base: pull.base.ref,
    mergeable: isOpen ? pull.mergeable : null,
    comments: pull.comments + pull.review_comments,
    merged_sha: pull.merged ? pull.merge_commit_sha : null,
    review_decision: decisionOf(
      reviews.data.map(({ user, state }) => ({ login: user?.login ?? "", verdict: state })),
      (pull.requested_reviewers ?? []).length > 0,
    ),
    checks: checks.slice(0, MAX_CHECKS),
    opened: {
      author: personOf(pull.user),
      body: pull.body ?? "",
      labels: pull.labels.flatMap(({ name }) => name ?? []),
      branch: pull.head.ref,
      is_fork: pull.head.repo?.full_name !== pull.base.repo.full_name,
      at: pull.created_at,
    },
  };
}

/** The state of a check run; null while it goes on. */
function conclusionOf(conclusion: string | null): "pending" | "success" | "failure" | "neutral" {
  if (conclusion === null) return "pending";
  if (conclusion === "success") return "success";
  return ["neutral", "skipped", "stale"].includes(conclusion) ? "neutral" : "failure";
}
