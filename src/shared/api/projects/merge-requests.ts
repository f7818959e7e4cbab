import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { id, page, timestamp } from "../../contract/fields.js";
import { command } from "../agents/runs.js";
import { checkName } from "./protected-branches.js";

/** A command that a commit must pass before it lands on a protected branch. */
export const check = z.strictObject({
  name: z.string(),
  command: z.array(z.string()),
  timeout_seconds: z.number().int(),
  network: z.enum(["none", "full"]),
  /**
   * A regular expression (RE2) that a line of the output must match, so that a command which tested
   * nothing does not pass; null for none.
   */
  log_pattern: z.string().nullable(),
  updated_at: timestamp,
});
export type Check = z.output<typeof check>;

/** A required check of a merge request, on the newest commit that contains it. */
const requestCheck = z.strictObject({
  name: z.string(),
  status: z.enum(["queued", "running", "passed", "failed", "cancelled"]),
  /** The run of the command, with its log; null until it starts. */
  run_id: id.nullable(),
  /** Why it failed, as a sentence. */
  detail: z.string().nullable(),
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

const person = z.strictObject({ type: z.enum(["user", "agent"]), id, name: z.string() });

/** A merge, revert or restore that goes through the merge queue of its target branch. */
export const mergeRequest = z.strictObject({
  id,
  project_id: id,
  agent_id: id,
  agent_name: z.string(),
  kind: z.enum(["merge", "revert", "restore"]),
  /** The merge that a revert undoes, or whose losing version a restore brings back. */
  of_merge: id.nullable(),
  source_branch: z.string(),
  /** The commit that is merged: later commits of the workspace are not. Null for an undo. */
  source_commit: z.string().nullable(),
  target_branch: z.string(),
  status: z.enum(mergeRequestStatuses),
  /** Position in the queue of the target branch, starting at 1; null when it is not waiting. */
  position: z.number().int().nullable(),
  /** The commit under check, or the last one: the target with this request and those before it. */
  candidate_commit: z.string().nullable(),
  checks: z.array(requestCheck),
  required_approvals: z.number().int(),
  approvals: z.array(z.strictObject({ by: person, at: timestamp })),
  /** The resulting merge; null until it has landed, and if there was nothing to merge. */
  merge_id: id.nullable(),
  /** Why it was rejected or canceled, or what it is waiting for, as a sentence. */
  reason: z.string().nullable(),
  requested_by: person.nullable(),
  created_at: timestamp,
  ended_at: timestamp.nullable(),
});
export type MergeRequest = z.output<typeof mergeRequest>;

const projectParams = z.strictObject({ project_id: id });
const checkParams = projectParams.extend({ name: checkName });
const requestParams = z.strictObject({ merge_request_id: id });

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
    access: "project:write",
    summary: "Create or replace a check: a command that runs in the sandbox on the commit to land",
    params: checkParams,
    body: z.strictObject({
      command,
      timeout_seconds: z
        .number()
        .int()
        .min(1)
        .max(86_400, "must be at most 24 hours")
        .default(1800),
      network: z.enum(["none", "full"]).default("none"),
      log_pattern: z
        .string()
        .min(1)
        .max(500)
        .refine((text) => !text.includes("\u0000"), "must not contain NUL")
        .nullable()
        .default(null),
    }),
    response: check,
    errors: ["too_many_checks"],
  }),
  deleteCheck: endpoint({
    method: "DELETE",
    path: "/api/v1/projects/{project_id}/checks/{name}",
    access: "project:write",
    summary: "Delete a check that no protected branch requires",
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
    query: page.extend({ status: z.enum(["open", "ended"]).default("open") }),
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
    access: "agent:workspace:merge",
    summary: "Approve a merge request of somebody else's work; idempotent",
    status: 200,
    params: requestParams,
    response: mergeRequest,
    errors: ["merge_request_ended", "own_work"],
  }),
};
