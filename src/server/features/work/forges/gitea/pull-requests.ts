import { ForgeError, MAX_CHECKS, MAX_REPOSITORIES, type Forge } from "../forge.js";
import { decisionOf } from "../client/review-decision.js";
import { PAGE, part, type GiteaClient } from "./client.js";
import { personOf } from "./people.js";

const DRAFT = /^\s*(?:wip:|\[wip\]|draft:|\[draft\])\s*/i;

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

export function pullRequestCalls(api: GiteaClient): PullRequestCalls {
  const labelIds = async (repository: string, labels: readonly string[]): Promise<number[]> => {
    const { data } = await api.repos.issueListLabels(...part(repository), { limit: PAGE });
    return labels.map((label) => {
      const id = data.find(({ name }) => name === label)?.id;
      if (id === undefined) {
        throw new ForgeError("refused", `The repository has no label ${label}.`);
      }
      return id;
    });
  };
  const edit = async (repository: string, number: number, changes: object): Promise<void> => {
    await api.repos.repoEditPullRequest(...part(repository), number, changes);
  };

  return {
    findPullRequest: async (repository, head) => {
      for (let page = 1; page <= MAX_REPOSITORIES / PAGE; page += 1) {
        const query = { state: "open" as const, sort: "recentupdate" as const, page, limit: PAGE };
        const { data } = await api.repos.repoListPullRequests(...part(repository), query);
        const found = data.find((request) => request.head?.ref === head);
        if (found?.number !== undefined) return found.number;
        if (data.length < PAGE) break;
      }
      return null;
    },
    openPullRequest: async (repository, { head, base, title, body, draft }) => {
      const name = draft ? `WIP: ${title}` : title;
      const request = { head, base, title: name, body };
      const { data } = await api.repos.repoCreatePullRequest(...part(repository), request);
      return data.number ?? 0;
    },
    updatePullRequest: async (repository, number, { title, body, base }) => {
      const isDraft =
        title !== undefined &&
        DRAFT.test(
          (await api.repos.repoGetPullRequest(...part(repository), number)).data.title ?? "",
        );
      await edit(repository, number, {
        ...(title !== undefined && { title: isDraft ? `WIP: ${title}` : title }),
        ...(body !== undefined && { body }),
        ...(base !== undefined && { base }),
      });
    },
    addLabels: async (repository, number, labels) => {
      const ids = await labelIds(repository, labels);
      await api.repos.issueAddLabel(...part(repository), number, { labels: ids });
    },
    requestReviews: async (repository, number, logins) => {
      const reviewers = [...logins];
      await api.repos.repoCreatePullReviewRequests(...part(repository), number, { reviewers });
    },
    readPullRequest: async (repository, number) => {
      const at = part(repository);
      const { data: pull } = await api.repos.repoGetPullRequest(...at, number);
      const sha = pull.head?.sha ?? "";
      const [reviews, combined] = await Promise.all([
        api.repos.repoListPullReviews(...at, number, { limit: PAGE }),
        api.repos.repoGetCombinedStatusByRef(...at, sha, { limit: PAGE }),
      ]);
      const title = pull.title ?? "";
      const isOpen = pull.state === "open";
      const isDraft = pull.draft ?? DRAFT.test(title);
      return {
        title: title.replace(DRAFT, ""),
        url: pull.html_url ?? "",
        state: pull.merged === true ? "merged" : !isOpen ? "closed" : isDraft ? "draft" : "open",
        head_sha: sha,
        opened: {
          author: personOf(pull.user),
          body: pull.body ?? "",
          labels: (pull.labels ?? []).flatMap(({ name: label }) => label ?? []),
          branch: pull.head?.ref ?? "",
          is_fork: pull.head?.repo_id !== pull.base?.repo_id,
          at: pull.created_at ?? "",
        },
        base: pull.base?.ref ?? "",
        mergeable: isOpen ? (pull.mergeable ?? null) : null,
        comments: (pull.comments ?? 0) + (pull.review_comments ?? 0),
        merged_sha: pull.merged === true ? (pull.merge_commit_sha ?? null) : null,
        review_decision: decisionOf(
          reviews.data
            .filter(({ dismissed }) => dismissed !== true)
            .map(({ user, state }) => ({ login: user?.login ?? "", verdict: state ?? "" })),
          (pull.requested_reviewers ?? []).length > 0,
        ),
        checks: (combined.data.statuses ?? []).slice(0, MAX_CHECKS).map((status) => ({
          name: status.context ?? "",
          status: statusOf(status.status ?? ""),
          url: status.target_url || null,
        })),
      };
    },
    markReady: async (repository, number) => {
      const { data } = await api.repos.repoGetPullRequest(...part(repository), number);
      const title = data.title ?? "";
      if (DRAFT.test(title)) await edit(repository, number, { title: title.replace(DRAFT, "") });
    },
    mergePullRequest: async (repository, number, method, sha) => {
      const request = { Do: method, head_commit_id: sha };
      await api.repos.repoMergePullRequest(...part(repository), number, request);
    },
    closePullRequest: (repository, number) => edit(repository, number, { state: "closed" }),
  };
}

function statusOf(status: string): "pending" | "success" | "failure" | "neutral" {
  if (status === "success" || status === "pending") return status;
  return status === "warning" ? "neutral" : "failure";
}
