import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { description, id, name, page, timestamp } from "../../contract/fields.js";
import { budgets, budgetsInput } from "../organizations/budgets.js";
import { prompt, run } from "./runs.js";
import { commitErrors } from "../projects/workspace-errors.js";

/** The agent's current run; `runtime_seconds` as of the response. */
export const currentRun = run
  .pick({
    id: true,
    kind: true,
    status: true,
    command: true,
    preset: true,
    runtime_seconds: true,
    stop_requested: true,
  })
  .extend({ started_at: timestamp });
export type CurrentRun = z.output<typeof currentRun>;

/** The first queued run of the agent. */
export const waitingRun = run
  .pick({
    id: true,
    status: true,
    command: true,
    preset: true,
    created_at: true,
    stop_requested: true,
  })
  .extend({ queue_position: z.number().int() });
export type WaitingRun = z.output<typeof waitingRun>;

/** The last of an agent's runs that has started and ended. */
export const lastRun = run
  .pick({ id: true, status: true, exit_code: true })
  .extend({ ended_at: timestamp });
export type LastRun = z.output<typeof lastRun>;

/** The work of an agent. */
export const agentTask = z.strictObject({
  /** The default message of its merges. */
  title: name,
  /** The default prompt of its runs, at most 16 KiB. */
  text: prompt,
});
export type AgentTask = z.output<typeof agentTask>;

export const agent = z.strictObject({
  id,
  organization_id: id,
  project_id: id,
  name: z.string(),
  description: z.string().nullable(),
  task: z.strictObject({ title: z.string(), text: z.string() }).nullable(),
  status: z.enum(["idle", "running", "terminated"]),
  parent_agent_id: id.nullable(),
  /** The branch of its workspace; null without a workspace. */
  workspace_branch: z.string().nullable(),
  workspace_type: z.enum(["local", "docker", "remote"]).nullable(),
  current_run: currentRun.nullable(),
  queued_run: waitingRun.nullable(),
  last_run: lastRun.nullable(),
  ...budgets,
  created_at: timestamp,
  updated_at: timestamp,
});
export type Agent = z.output<typeof agent>;

const agentName = z
  .string()
  .min(1)
  .max(64)
  .regex(
    /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/,
    "use a-z, 0-9 and hyphens, with a letter or digit at both ends",
  );

const agentParams = z.strictObject({ agent_id: id });

export const agents = {
  list: endpoint({
    method: "GET",
    path: "/api/v1/agents",
    access: "signed-in",
    summary: "List the agents visible to the caller; terminated ones only with status=terminated",
    query: page.extend({
      organization_id: id.optional(),
      project_id: id.optional(),
      status: z.enum(["idle", "running", "terminated"]).optional(),
    }),
    response: z.array(agent),
    errors: ["insufficient_permission"],
  }),
  create: endpoint({
    method: "POST",
    path: "/api/v1/agents",
    access: "agent:write",
    tenant: "body.project_id",
    summary: "Create an agent on a project; it becomes a member as agent_executor",
    status: 201,
    location: "/api/v1/agents/{id}",
    body: z.strictObject({
      project_id: id,
      name: agentName,
      description: description.nullish(),
      parent_agent_id: id.nullish(),
      task: agentTask.nullish(),
    }),
    response: agent,
    errors: ["name_taken"],
  }),
  get: endpoint({
    method: "GET",
    path: "/api/v1/agents/{agent_id}",
    access: "agent:read",
    summary: "Get an agent",
    params: agentParams,
    response: agent,
  }),
  update: endpoint({
    method: "PATCH",
    path: "/api/v1/agents/{agent_id}",
    access: "agent:write",
    summary: "Update an agent",
    params: agentParams,
    body: z.strictObject({
      description: description.nullable().optional(),
      task: agentTask.nullable().optional(),
      ...budgetsInput,
    }),
    response: agent,
  }),
  delete: endpoint({
    method: "DELETE",
    path: "/api/v1/agents/{agent_id}",
    access: "agent:delete",
    summary: "Terminate an agent: stop its run, archive its workspace, free its name",
    revokes: true,
    params: agentParams,
    errors: [
      "privilege_escalation",
      "run_in_progress",
      "workspace_not_active",
      "repository_mismatch",
      ...commitErrors,
    ],
  }),
  clearHome: endpoint({
    method: "DELETE",
    path: "/api/v1/agents/{agent_id}/home",
    access: "agent:write",
    summary: "Delete what an agent's runs have left in its home, between two runs",
    params: agentParams,
    errors: ["run_in_progress"],
  }),
};
