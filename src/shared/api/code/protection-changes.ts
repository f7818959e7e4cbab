import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { id, nullable, page, projectParams, timestamp } from "../../contract/fields.js";
import { approvals, checkDefinition, checkInput, person } from "./merge-requests.js";
import { checkName, protectedBranch, protectedBranchesInput } from "./protected-branches.js";

/** Maximum number of checks that one change replaces: as many as a rule requires. */
export const MAX_CHANGED_CHECKS = 10;

/** A change of protected branches and checks that waits for approvals, or waited for them. */
export const protectionChange = z.strictObject({
  id: id.describe("Id of the change"),
  project_id: id.describe("Id of the project"),
  proposed_by: person.describe("Who proposed it"),
  protected_branches: z
    .array(protectedBranch)
    .nullable()
    .describe("The proposed protected branches; null if they stay as they are"),
  checks: z
    .array(checkDefinition)
    .describe("The proposed definitions of checks; empty if they stay as they are"),
  status: z
    .enum(["pending", "applied", "withdrawn", "superseded"])
    .describe(
      "`pending` until enough people have approved; `superseded`: the protection was changed meanwhile",
    ),
  reason: nullable.string.describe(
    "Why it ended without being applied, as a sentence; null otherwise",
  ),
  required_approvals: z
    .int()
    .describe(
      "Number of other people who must approve: as many as the weakened rules ask for, and at most those who could",
    ),
  approvals: approvals.describe("Approvals of people who may still approve merges"),
  created_at: timestamp.describe("Time of the proposal"),
  ended_at: nullable.timestamp.describe("Time at which it ended; null while it is pending"),
});
export type ProtectionChange = z.output<typeof protectionChange>;

const changeParams = z.strictObject({
  protection_change_id: id.describe("Id of the change of protection"),
});

export const protectionChanges = {
  list: endpoint({
    method: "GET",
    path: "/api/v1/projects/{project_id}/protection-changes",
    access: "project:read",
    summary: "List the proposed changes of the project's protection, newest first",
    params: projectParams,
    query: page,
    response: z.array(protectionChange),
  }),
  propose: endpoint({
    method: "POST",
    path: "/api/v1/projects/{project_id}/protection-changes",
    access: "project:protection:write",
    summary:
      "Propose protected branches and checks; applied at once unless a rule with approvals is weakened",
    status: 201,
    location: "/api/v1/protection-changes/{id}",
    params: projectParams,
    body: z
      .strictObject({
        protected_branches: protectedBranchesInput
          .optional()
          .describe("Protected branches; replaces all of them"),
        checks: z
          .array(checkInput.extend({ name: checkName.describe("Name of the check") }))
          .max(MAX_CHANGED_CHECKS, `must be at most ${MAX_CHANGED_CHECKS} checks`)
          .refine(
            (checks) => new Set(checks.map((check) => check.name)).size === checks.length,
            "must not name a check twice",
          )
          .optional()
          .describe("At most 10 checks to create or replace"),
      })
      .refine(
        ({ protected_branches, checks = [] }) =>
          protected_branches !== undefined || checks.length > 0,
        "must have protected_branches or checks",
      ),
    response: protectionChange,
    errors: ["protection_change_open", "too_many_checks"],
  }),
  get: endpoint({
    method: "GET",
    path: "/api/v1/protection-changes/{protection_change_id}",
    access: "project:read",
    summary: "Get a proposed change of protection with its approvals",
    params: changeParams,
    response: protectionChange,
  }),
  approve: endpoint({
    method: "POST",
    path: "/api/v1/protection-changes/{protection_change_id}/approve",
    access: "project:approve",
    orHolding: "agent:workspace:merge",
    summary: "Approve a change of protection that another person proposed; the last one applies it",
    status: 200,
    params: changeParams,
    response: protectionChange,
    errors: ["own_work", "protection_change_ended"],
  }),
  withdraw: endpoint({
    method: "DELETE",
    path: "/api/v1/protection-changes/{protection_change_id}",
    access: "project:protection:write",
    summary: "Withdraw a change of protection that is pending",
    params: changeParams,
    errors: ["protection_change_ended"],
  }),
};
