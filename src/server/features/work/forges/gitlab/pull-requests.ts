import { Commits, MergeRequestApprovals, MergeRequests, Users } from "@gitbeaker/rest";
import { ForgeError, MAX_CHECKS, type Forge, type RemotePullRequest } from "../forge.js";
import type { GitlabOptions } from "./client.js";
import { personOf } from "./people.js";

const DRAFT = /^\s*(?:draft:|\[draft\]|\(draft\))\s*/i;

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

export function pullRequestCalls(options: GitlabOptions): PullRequestCalls {
  const requests = new MergeRequests(options);
  const approvals = new MergeRequestApprovals(options);
  const commits = new Commits(options);
  const users = new Users(options);

  const userIds = async (logins: readonly string[]): Promise<number[]> =>
    Promise.all(
      logins.map(async (login) => {
        const found = await users.all({ username: login, perPage: 1, maxPages: 1 });
        const [user] = found;
        if (user) return user.id;
        throw new ForgeError("refused", `The forge has no user ${login}.`);
      }),
    );
  return {
    findPullRequest: async (repository, head) => {
      const found = await requests.all({
        projectId: repository,
        sourceBranch: head,
        state: "opened",
        perPage: 1,
        maxPages: 1,
      });
      return found[0]?.iid ?? null;
    },
    openPullRequest: async (repository, { head, base, title, body, draft }) => {
      const name = draft ? `Draft: ${title}` : title;
      const made = await requests.create(repository, head, base, name, { description: body });
      return made.iid;
    },
    updatePullRequest: async (repository, number, { title, body, base }) => {
      const isDraft = title === undefined ? false : (await requests.show(repository, number)).draft;
      await requests.edit(repository, number, {
        ...(title !== undefined && { title: isDraft ? `Draft: ${title}` : title }),
        ...(body !== undefined && { description: body }),
        ...(base !== undefined && { targetBranch: base }),
      });
    },
    addLabels: async (repository, number, labels) => {
      await requests.edit(repository, number, { addLabels: labels.join(",") });
    },
    requestReviews: async (repository, number, logins) => {
      const { reviewers } = await requests.show(repository, number);
      const ids = [...(reviewers ?? []).map(({ id }) => id), ...(await userIds(logins))];
      await requests.edit(repository, number, { reviewerIds: [...new Set(ids)] });
    },
    readPullRequest: async (repository, number) => {
      const request = await requests.show(repository, number);
      const [approval, statuses] = await Promise.all([
        approvals.showConfiguration(repository, { mergerequestIId: number }),
        commits.allStatuses(repository, request.sha),
      ]);
      const isOpen = request.state === "opened" || request.state === "locked";
      const isMerged = request.state === "merged";
      // A fast-forward makes no commit of its own.
      const mergedSha = request.merge_commit_sha ?? request.squash_commit_sha ?? request.sha;
      const isAsked = (request.reviewers ?? []).length > 0 || approval.approvals_left > 0;
      const remote: RemotePullRequest = {
        title: request.title.replace(DRAFT, ""),
        url: request.web_url,
        state: isMerged ? "merged" : !isOpen ? "closed" : request.draft ? "draft" : "open",
        head_sha: request.sha,
        opened: {
          author: personOf(request.author),
          body: request.description ?? "",
          labels: (request.labels ?? []).map((label) =>
            typeof label === "string" ? label : label.name,
          ),
          branch: request.source_branch,
          is_fork: request.source_project_id !== request.target_project_id,
          at: request.created_at,
        },
        base: request.target_branch,
        mergeable: mergeableOf(request),
        comments: request.user_notes_count,
        merged_sha: isMerged ? mergedSha : null,
        review_decision: areChangesRequested(request)
          ? "changes_requested"
          : isApproved(approval)
            ? "approved"
            : isAsked
              ? "review_required"
              : null,
        checks: statuses.slice(0, MAX_CHECKS).map(({ name, status, target_url }) => ({
          name,
          status: statusOf(status),
          url: target_url || null,
        })),
      };
      return remote;
    },
    markReady: async (repository, number) => {
      const { title } = await requests.show(repository, number);
      if (!DRAFT.test(title)) return;
      await requests.edit(repository, number, { title: title.replace(DRAFT, "") });
    },
    mergePullRequest: async (repository, number, method, sha) => {
      if (method === "rebase") {
        throw new ForgeError(
          "refused",
          "GitLab rebases by the settings of the project alone; merge or squash.",
        );
      }
      await requests.accept(repository, number, { squash: method === "squash", sha });
    },
    closePullRequest: async (repository, number) => {
      await requests.edit(repository, number, { stateEvent: "close" });
    },
  };
}

function mergeableOf(request: { state: string; merge_status: string; has_conflicts: boolean }) {
  if (request.state !== "opened") return null;
  if (request.has_conflicts) return false;
  return request.merge_status === "can_be_merged" ? true : null;
}

/** The types of the client are older than this status. */
const areChangesRequested = (request: { detailed_merge_status: string }): boolean =>
  request.detailed_merge_status === "requested_changes";

/** Without rules, no approval is required, and one is a verdict all the same. */
function isApproved({
  approvals_left,
  approved_by,
}: {
  approvals_left: number;
  approved_by?: readonly unknown[] | undefined;
}): boolean {
  return (approved_by ?? []).length > 0 && !(approvals_left > 0);
}

function statusOf(status: string): "pending" | "success" | "failure" | "neutral" {
  if (status === "success") return "success";
  if (status === "failed") return "failure";
  return ["canceled", "skipped", "manual"].includes(status) ? "neutral" : "pending";
}
