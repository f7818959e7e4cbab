import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import {
  agentParams,
  description,
  id,
  name,
  nullable,
  page,
  timestamp,
} from "../../contract/fields.js";
import { workspaceTypes } from "../../code/workspace-choices.js";
import { budgets, budgetsInput } from "../organization/budgets.js";
import { prompt, run } from "../execution/runs.js";
import { commitErrors } from "../workspace-errors.js";

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
  .extend({ started_at: timestamp.describe("Time at which the program started") });
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
  .extend({
    queue_position: z.int().describe("Position in the organization's queue, starting at 1"),
  });
export type WaitingRun = z.output<typeof waitingRun>;

/** The last of an agent's runs that has started and ended. */
export const lastRun = run
  .pick({ id: true, status: true, exit_code: true })
  .extend({ ended_at: timestamp.describe("Time at which the run ended") });
export type LastRun = z.output<typeof lastRun>;

/** The work of an agent. */
export const agentTask = z.strictObject({
  title: name.describe("The title: the default message of the agent's merges, 1 to 255 characters"),
  text: prompt.describe(
    "The text: the default prompt of the agent's runs, at most 16 KiB of UTF-8",
  ),
});
export type AgentTask = z.output<typeof agentTask>;

export const agent = z.strictObject({
  id: id.describe("Id of the agent"),
  organization_id: id.describe("Id of the organization that owns the agent's project"),
  project_id: id.describe("Id of the project that the agent works on"),
  name: z.string().describe("Name of the agent, unique in its organization"),
  description: nullable.string.describe("Free text about the agent; null for none"),
  task: z
    .strictObject({
      title: z.string().describe("The title, and the default message of its merges"),
      text: z.string().describe("The default prompt of its runs"),
    })
    .nullable()
    .describe("What the agent is to do; null for none"),
  status: z
    .enum(["idle", "running", "terminated"])
    .describe("`running` while a run is in progress, `terminated` for good, else `idle`"),
  parent_agent_id: nullable.id.describe(
    "The agent whose newest state its workspace starts from; null for the base branch",
  ),
  workspace_branch: nullable.string.describe(
    "Branch of its workspace, `workspace-<name>`; null without a workspace",
  ),
  workspace_type: z
    .enum(workspaceTypes)
    .nullable()
    .describe(
      "`local` and `docker` run commands on the server, `remote` elsewhere, `kubernetes` in the cluster; null without a workspace",
    ),
  current_run: currentRun.nullable().describe("The run in progress; null if there is none"),
  queued_run: waitingRun
    .nullable()
    .describe("The first run that waits in the queue; null if there is none"),
  last_run: lastRun.nullable().describe("The last run that has started and ended; null before"),
  ...budgets,
  created_at: timestamp.describe("Time of creation"),
  updated_at: timestamp.describe("Time of the last change"),
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

export const agents = {
  list: endpoint({
    method: "GET",
    path: "/api/v1/agents",
    access: "signed-in",
    summary: "List the agents visible to the caller; terminated ones only with status=terminated",
    query: page.extend({
      organization_id: id.optional().describe("Only agents of this organization"),
      project_id: id.optional().describe("Only agents of this project"),
      status: z
        .enum(["idle", "running", "terminated"])
        .optional()
        .describe(
          "Only agents in this state. Terminated agents are listed only with `terminated`.",
        ),
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
      project_id: id.describe("Id of the project that the agent works on"),
      name: agentName.describe(
        "1 to 64 of `a-z`, `0-9` and `-`, with a letter or digit at both ends; unique in the organization",
      ),
      description: description.nullish().describe("Free text of at most 2 000 characters"),
      parent_agent_id: id
        .nullish()
        .describe("An agent of the same project whose newest state the workspace starts from"),
      task: agentTask.nullish().describe("What the agent is to do"),
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
      description: description
        .nullish()
        .describe("Free text of at most 2 000 characters; null removes it"),
      task: agentTask.nullish().describe("What the agent is to do; null removes it"),
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
