import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { id, nullable, page, projectParams, timestamp } from "../../contract/fields.js";
import { command } from "../execution/runs.js";
import { checkName } from "./protected-branches.js";

/** A check without the time of its last change. */
export const checkDefinition = z.strictObject({
  name: z.string().describe("Name of the check"),
  command: z.array(z.string()).describe("The program and its arguments"),
  timeout_seconds: z.int().describe("Seconds after which it fails"),
  network: z
    .enum(["none", "full"])
    .describe("`none`, or everything outside of the server (`full`)"),
  log_pattern: nullable.string.describe(
    "A regular expression (RE2) that a line of the output must match, so that a command which tested nothing does not pass; null for none",
  ),
});

/** A command that a commit must pass before it lands on a protected branch. */
export const check = checkDefinition.extend({
  updated_at: timestamp.describe("Time of the last change"),
});
export type Check = z.output<typeof check>;

/** The definition of a check in a request. */
export const checkInput = z.strictObject({
  command: command.describe("The program and its arguments, not a shell command line"),
  timeout_seconds: z
    .int()
    .min(1)
    .max(86_400, "must be at most 24 hours")
    .default(1800)
    .describe("Seconds after which it fails, at most 24 hours"),
  network: z
    .enum(["none", "full"])
    .default("none")
    .describe(
      "`none`, or everything outside of the server (`full`), which needs `agent:network:full`",
    ),
  log_pattern: z
    .string()
    .min(1)
    .max(500)
    .refine((text) => !text.includes("\u0000"), "must not contain NUL")
    .nullable()
    .default(null)
    .describe(
      "A regular expression (RE2) of at most 500 characters that a line of the output must match, so that a command which tested nothing does not pass; null for none",
    ),
});

/** A required check of a merge request, on the newest commit that contains it. */
export const requestCheck = z.strictObject({
  name: z.string().describe("Name of the check"),
  status: z
    .enum(["queued", "running", "passed", "failed", "cancelled"])
    .describe("State of the check"),
  run_id: nullable.id.describe("The run of the command, with its log; null until it starts"),
  detail: nullable.string.describe("Why it failed, as a sentence; null if there is nothing to say"),
});
export type RequestCheck = z.output<typeof requestCheck>;

export const mergeRequestStatuses = [
  "queued",
  "checking",
  "waiting_for_approval",
  "merged",
  "rejected",
  "cancelled",
] as const;

export const person = z.strictObject({
  type: z
    .enum(["user", "agent", "service_account"])
    .describe("Whether a user, an agent or a service account"),
  id: id.describe("Id of the user, agent or service account"),
  name: z.string().describe("Name of the user, agent or service account"),
});

export const approvals = z.array(
  z.strictObject({
    by: person.describe("Who approved"),
    at: timestamp.describe("Time of the approval"),
  }),
);

/** A merge, revert or restore that goes through the merge queue of its target branch. */
export const mergeRequest = z.strictObject({
  id: id.describe("Id of the merge request"),
  project_id: id.describe("Id of the project"),
  agent_id: id.describe("Id of the agent whose workspace is merged"),
  agent_name: z.string().describe("Name of the agent"),
  kind: z
    .enum(["merge", "revert", "restore"])
    .describe("`merge`, or an undo: `revert` or `restore`"),
  of_merge: nullable.id.describe(
    "The merge that a revert undoes, or whose losing version a restore brings back; null for a merge",
  ),
  source_branch: z.string().describe("Branch that is merged"),
  source_commit: nullable.string.describe(
    "Commit that is merged: later commits of the workspace are not. Null for an undo.",
  ),
  target_branch: z.string().describe("Branch that is merged into"),
  status: z
    .enum(mergeRequestStatuses)
    .describe("State of the request; `merged`, `rejected` and `cancelled` have ended"),
  position: nullable.integer.describe(
    "Position in the queue of the target branch, starting at 1; null when it is not waiting",
  ),
  candidate_commit: nullable.string.describe(
    "The commit under check, or the last one: the target with this request and those before it; null before the first",
  ),
  checks: z.array(requestCheck).describe("The checks of the target branch"),
  required_approvals: z.int().describe("Number of people who must approve"),
  approvals: approvals.describe("Approvals so far"),
  merge_id: nullable.id.describe(
    "The resulting merge; null until it has landed, and if there was nothing to merge",
  ),
  reason: nullable.string.describe(
    "Why it was rejected or canceled, or what it is waiting for, as a sentence; null if there is nothing to say",
  ),
  requested_by: person.nullable().describe("Who requested it; null if the account is deleted"),
  created_at: timestamp.describe("Time of the request"),
  ended_at: nullable.timestamp.describe("Time at which it ended; null before"),
});
export type MergeRequest = z.output<typeof mergeRequest>;

const checkParams = projectParams.extend({ name: checkName.describe("Name of the check") });
const requestParams = z.strictObject({ merge_request_id: id.describe("Id of the merge request") });

export const mergeQueue = {
  checks: endpoint({
    method: "GET",
    path: "/api/v1/projects/{project_id}/checks",
    access: "project:read",
    summary: "List the project's checks",
    params: projectParams,
    query: page,
    response: z.array(check),
  }),
  check: endpoint({
    method: "GET",
    path: "/api/v1/projects/{project_id}/checks/{name}",
    access: "project:read",
    summary: "Get a check",
    params: checkParams,
    response: check,
  }),
  setCheck: endpoint({
    method: "PUT",
    path: "/api/v1/projects/{project_id}/checks/{name}",
    access: "project:protection:write",
    summary:
      "Create or replace a check (also needs `project:write`): a command that runs in the sandbox on the commit to land",
    params: checkParams,
    body: checkInput,
    response: check,
    errors: ["protection_change_needs_approval", "too_many_checks"],
  }),
  deleteCheck: endpoint({
    method: "DELETE",
    path: "/api/v1/projects/{project_id}/checks/{name}",
    access: "project:protection:write",
    summary: "Delete a check (also needs `project:write`) that no protected branch requires",
    params: checkParams,
    errors: ["check_in_use"],
  }),
  list: endpoint({
    method: "GET",
    path: "/api/v1/projects/{project_id}/merge-queue",
    access: "agent:workspace:read",
    summary:
      "List the waiting merge requests in the order of the queue, or the ended ones, newest first",
    params: projectParams,
    query: page.extend({
      status: z
        .enum(["open", "ended"])
        .default("open")
        .describe("`open` requests in the order of the queue, or `ended` ones, newest first"),
    }),
    response: z.array(mergeRequest),
  }),
  get: endpoint({
    method: "GET",
    path: "/api/v1/merge-requests/{merge_request_id}",
    access: "agent:workspace:read",
    summary: "Get a merge request with its checks and approvals",
    params: requestParams,
    response: mergeRequest,
  }),
  cancel: endpoint({
    method: "DELETE",
    path: "/api/v1/merge-requests/{merge_request_id}",
    access: "agent:workspace:merge",
    summary: "Cancel a merge request that has not landed",
    params: requestParams,
    errors: ["merge_request_ended"],
  }),
  approve: endpoint({
    method: "POST",
    path: "/api/v1/merge-requests/{merge_request_id}/approve",
    access: "project:approve",
    orHolding: "agent:workspace:merge",
    summary: "Approve a merge request of somebody else's work; idempotent",
    status: 200,
    params: requestParams,
    response: mergeRequest,
    errors: ["merge_request_ended", "own_work"],
  }),
};
