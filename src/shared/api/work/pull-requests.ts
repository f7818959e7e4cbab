import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { id, name, nullable, page, projectParams, timestamp } from "../../contract/fields.js";
import { branch, forgeErrors } from "../code/projects.js";

export const pullRequestStates = ["opening", "open", "draft", "merged", "closed"] as const;
export const mergeMethods = ["merge", "squash", "rebase"] as const;
export const checkStatuses = ["pending", "success", "failure", "neutral"] as const;
export const reviewDecisions = ["approved", "changes_requested", "review_required"] as const;

/** Maximum length of a request's body, which GitHub limits to 65 536 characters. */
export const MAX_BODY_LENGTH = 60_000;

const noNul = (text: string): boolean => !text.includes("\u0000");

export const forgeCheck = z.strictObject({
  name: z.string().describe("Name of the check"),
  status: z.enum(checkStatuses).describe("`neutral`: it ended without a verdict, or was skipped"),
  url: nullable.string.describe("Its page on the forge; null without one"),
});

export const pullRequest = z.strictObject({
  id: id.describe("Id of the pull request"),
  project_id: id.describe("Id of the project"),
  task_id: id.describe("The task whose work it proposes"),
  task_number: z.int().describe("Number of that task"),
  forge_id: nullable.id.describe("The connection; null once it is deleted"),
  repository: z.string().describe("Full name of the repository, as in `acme/shop`"),
  number: nullable.integer.describe("The forge's number; null until it is open there"),
  url: nullable.string.describe("Its page on the forge; null until it is open there"),
  title: z.string().describe("Its title"),
  state: z
    .enum(pullRequestStates)
    .describe("As the forge says; `opening` until it is open there, see `error`"),
  head: z.string().describe("Its branch on the forge"),
  head_sha: nullable.string.describe("Newest commit of that branch; null until it is open there"),
  base: z.string().describe("Branch that it is to be merged into"),
  review_decision: z
    .enum(reviewDecisions)
    .nullable()
    .describe("What the reviews on the forge say; null without any"),
  checks: z.array(forgeCheck).describe("Checks of the forge for the newest commit, at most 100"),
  mergeable: z
    .boolean()
    .nullable()
    .describe("Whether it merges without conflicts; null if the forge has not computed it"),
  comments: z.int().describe("Number of comments on the forge"),
  merged_sha: nullable.string.describe("Commit that merged it; null before"),
  auto_update: z
    .boolean()
    .describe("Whether further commits of the task are pushed to it at the end of a turn"),
  error: nullable.string.describe(
    "Why the last push or request failed, as a sentence; null if it did not",
  ),
  checked_at: nullable.timestamp.describe("When the forge was last asked; null before"),
  created_at: timestamp.describe("Time of creation"),
  updated_at: timestamp.describe("Time of the last change"),
});
export type PullRequest = z.output<typeof pullRequest>;

const body = z.string().max(MAX_BODY_LENGTH).refine(noNul, "must not contain NUL");
const texts = (maximum: number) =>
  z
    .array(z.string().trim().min(1).max(100).refine(noNul, "must not contain NUL"))
    .max(maximum)
    .transform((values) => [...new Set(values)]);

const changes = {
  title: name.optional().describe("Title, at most 255 characters"),
  body: body.optional().describe("Body in Markdown, at most 60 000 characters"),
  base: branch.optional().describe("Branch that it is to be merged into"),
};
const added = {
  labels: texts(20).optional().describe("Labels that it gets besides those it has, at most 20"),
  reviewers: texts(20)
    .optional()
    .describe("Logins on the forge that are asked for a review, at most 20"),
};

export const newPullRequest = z.strictObject({
  ...changes,
  title: changes.title.describe("Title; by default that of the task"),
  body: changes.body.describe(
    "Body in Markdown; by default what the agent has done, and a link to the task",
  ),
  base: changes.base.describe("Branch to merge into; by default the base branch of the attempt"),
  draft: z.boolean().optional().describe("Whether it is opened as a draft; false by default"),
  ...added,
});
export type NewPullRequest = z.output<typeof newPullRequest>;

const taskParams = z.strictObject({ task_id: id.describe("Id of the task") });
const params = z.strictObject({ pull_request_id: id.describe("Id of the pull request") });
const path = "/api/v1/pull-requests/{pull_request_id}" as const;
const changeErrors = [...forgeErrors, "no_repository", "pull_request_closed"] as const;

export const pullRequests = {
  open: endpoint({
    method: "POST",
    path: "/api/v1/tasks/{task_id}/pull-request",
    access: "project:task:write",
    tenant: "params.task_id",
    summary:
      "Push the work of a task to its repository on the forge and open a pull request; again, update it",
    status: 200,
    params: taskParams,
    body: newPullRequest,
    response: pullRequest,
    errors: [
      ...forgeErrors,
      "no_repository",
      "no_attempt",
      "run_in_progress",
      "nothing_to_propose",
      "project_not_ready",
      "task_finished",
    ],
  }),
  list: endpoint({
    method: "GET",
    path: "/api/v1/projects/{project_id}/pull-requests",
    access: "project:task:read",
    summary: "List the pull requests of a project, newest first",
    params: projectParams,
    query: page.extend({
      state: z.enum(pullRequestStates).optional().describe("Only requests in this state"),
    }),
    response: z.array(pullRequest),
  }),
  get: endpoint({
    method: "GET",
    path,
    access: "project:task:read",
    tenant: "params.pull_request_id",
    summary:
      "Get a pull request as of the last time that the forge was asked, every 30 s while it is open",
    params,
    response: pullRequest,
  }),
  refresh: endpoint({
    method: "POST",
    path: `${path}/refresh`,
    access: "project:task:read",
    tenant: "params.pull_request_id",
    summary: "Ask the forge for the state of a pull request now",
    status: 200,
    params,
    response: pullRequest,
    errors: [...forgeErrors, "no_repository"],
  }),
  update: endpoint({
    method: "PATCH",
    path,
    access: "project:task:write",
    tenant: "params.pull_request_id",
    summary: "Change a pull request",
    params,
    body: z.strictObject({
      ...changes,
      ...added,
      auto_update: z
        .boolean()
        .optional()
        .describe("Whether further commits of the task are pushed to it"),
    }),
    response: pullRequest,
    errors: [...changeErrors],
  }),
  ready: endpoint({
    method: "POST",
    path: `${path}/ready`,
    access: "project:task:write",
    tenant: "params.pull_request_id",
    summary: "Make a draft ready for review",
    status: 200,
    params,
    response: pullRequest,
    errors: [...changeErrors],
  }),
  merge: endpoint({
    method: "POST",
    path: `${path}/merge`,
    access: "project:task:write",
    tenant: "params.pull_request_id",
    summary:
      "Merge a pull request on the forge, by its rules; also requires agent:workspace:merge, and a base branch without rules of its own here",
    status: 200,
    params,
    body: z
      .strictObject({
        method: z.enum(mergeMethods).optional().describe("How; `merge` by default"),
      })
      .optional(),
    response: pullRequest,
    errors: [...changeErrors, "branch_protected"],
  }),
  close: endpoint({
    method: "POST",
    path: `${path}/close`,
    access: "project:task:write",
    tenant: "params.pull_request_id",
    summary: "Close a pull request without merging it; its branch stays on the forge",
    status: 200,
    params,
    response: pullRequest,
    errors: [...changeErrors],
  }),
};
