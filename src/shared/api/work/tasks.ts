import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import {
  boolean,
  eventStreamQuery,
  id,
  name,
  nullable,
  orgParams,
  page,
  projectParams,
  timestamp,
} from "../../contract/fields.js";
import { presetNames } from "../../execution/run-choices.js";
import { activeErrors, commitErrors } from "../workspace-errors.js";
import { pullRequest } from "./pull-requests.js";
import { allowedHosts, command, model, run } from "../execution/runs.js";

export const taskStatuses = [
  "open",
  "waiting",
  "working",
  "needs_you",
  "in_review",
  "merging",
  "done",
  "failed",
  "cancelled",
] as const;
export type TaskStatus = (typeof taskStatuses)[number];

export const attemptStatuses = [
  "starting",
  "working",
  "needs_you",
  "ready",
  "merging",
  "merged",
  "failed",
  "stopped",
  "archived",
] as const;

export const attentionKinds = [
  "permission",
  "question",
  "review",
  "no_changes",
  "failed",
  "stuck",
  "budget",
  "missing_key",
  "conflict",
  "delivery_unknown",
  "release",
] as const;
export type AttentionKind = (typeof attentionKinds)[number];

export const taskPriorities = ["low", "normal", "high", "urgent"] as const;
export const taskTrusts = ["trusted", "untrusted"] as const;
export const taskSources = ["person", "agent", "automation", "forge_issue", "api"] as const;
export const taskSorts = ["number", "created_at", "updated_at", "priority", "urgency"] as const;

/** Maximum bytes of a task's text, which is its first prompt. */
export const MAX_TASK_BYTES = 64 * 1024;
export const MAX_ATTEMPTS = 8;
const MAX_LABELS = 20;
const MAX_DEPENDENCIES = 50;
const MAX_ASSIGNEES = 20;

const noNul = (text: string): boolean => !text.includes("\u0000");
const text = z
  .string()
  .refine((value) => value.trim() !== "", "must not be empty")
  .refine(noNul, "must not contain NUL")
  .refine(
    (value) => new TextEncoder().encode(value).length <= MAX_TASK_BYTES,
    "must be at most 64 KiB",
  );
const label = z.string().trim().min(1).max(50).refine(noNul, "must not contain NUL");
const labels = z
  .array(label)
  .max(MAX_LABELS)
  .transform((values) => [...new Set(values)]);

const person = z.strictObject({
  id: id.describe("Id of the user"),
  name: z.string().describe("Name of the user"),
});

const assignee = z.strictObject({
  type: z.enum(["person", "agent"]).describe("Whether a person or an agent"),
  id: id.describe("Id of the user or agent"),
  name: z.string().describe("Name of the person or agent"),
});

export const allowed = z.strictObject({
  allowed: z.boolean().describe("Whether the caller may do it now"),
  reason: nullable.string.describe("Why not, as a sentence; null if it is allowed"),
});

export const taskChanges = z.strictObject({
  files: z.int().describe("Changed files"),
  added: z.int().describe("Added lines"),
  removed: z.int().describe("Removed lines"),
});

export type TaskChanges = z.output<typeof taskChanges>;

export const attempt = z.strictObject({
  id: id.describe("Id of the attempt"),
  number: z.int().describe("Counts within the task, starting at 1"),
  agent_id: id.describe("The agent that works on it, with its workspace"),
  agent_name: z.string().describe("Name of the agent"),
  session_id: nullable.id.describe("The conversation with the agent; null before it starts"),
  run_ids: z.array(id).describe("The runs of the conversation, newest first, at most 20"),
  preset: z.enum(presetNames).describe("The agent's program"),
  model: nullable.string.describe("The model; null for the program's default"),
  status: z
    .enum(attemptStatuses)
    .describe(
      "`ready`: the turn ended with changes. `needs_you`: a permission, a question, or a turn without changes. `archived`: another attempt was chosen.",
    ),
  detail: nullable.string.describe(
    "Why it failed or stopped, as a sentence; null without a reason",
  ),
  branch: z.string().describe("Branch of its workspace"),
  base_branch: z.string().describe("Branch that it merges into"),
  head_commit: nullable.string.describe("Newest commit of the branch; null before the first one"),
  changes: taskChanges
    .nullable()
    .describe(
      "What would change in the base branch: as of the newest commit, and in lists as of the end of the last turn; null without changes, or if they cannot be counted",
    ),
  merge_request: z
    .strictObject({
      id: id.describe("Id of the merge request"),
      status: z
        .enum(["queued", "checking", "waiting_for_approval"])
        .describe("What the request waits for"),
      reason: nullable.string.describe("More about the wait, as a sentence; null for nothing"),
    })
    .nullable()
    .describe("The open merge request of its branch; null without one"),
  cost_usd: z.number().describe("US dollars of its calls to models so far"),
  started_at: nullable.timestamp.describe("Start of its first run; null before"),
  ended_at: nullable.timestamp.describe("End of its newest run; null while one is in progress"),
});
export type Attempt = z.output<typeof attempt>;

const attention = z.strictObject({
  kind: z
    .enum(attentionKinds)
    .describe(
      "`review`: the turn ended with changes. `no_changes`: it ended without changes and without a question. `stuck`: silent while it works. `delivery_unknown`: the server stopped while a prompt was being delivered. `release`: its text is by people from outside, and a person decides whether it starts.",
    ),
  since: timestamp.describe("When it began to need a person"),
  summary: z
    .string()
    .describe("One line: the question, the requested command, or the reason. Written by an agent."),
  attempt_id: nullable.id.describe("The attempt that needs a person; null for the task itself"),
  link: z.string().describe("Path of the page on which it is dealt with"),
});

export const task = z.strictObject({
  id: id.describe("Id of the task"),
  organization_id: id.describe("Id of the organization"),
  project_id: id.describe("Id of the project"),
  project_name: z.string().describe("Name of the project"),
  parent_task_id: nullable.id.describe("The task whose agent created this one; null without one"),
  number: z.int().describe("Counts within the project; `#12` names the task"),
  title: z.string().describe("One line"),
  body: z.string().describe("What is to be done: the first prompt of each attempt"),
  status: z
    .enum(taskStatuses)
    .describe(
      "Derived from the attempts and merges. `open`: not started, or stopped. `waiting`: a task it depends on is not done.",
    ),
  owner: person.nullable().describe("The person it is for; null if the account is deleted"),
  assignees: z
    .array(assignee)
    .describe("Who works on it: assigned people by name, then the agents of its attempts"),
  labels: z.array(z.string()).describe("Labels, in the order given"),
  priority: z.enum(taskPriorities).describe("`normal` by default"),
  depends_on: z.array(id).describe("Tasks of the project that must be done before"),
  source: z
    .strictObject({
      kind: z.enum(taskSources).describe("What created the task"),
      url: nullable.string.describe("Where it comes from; null without an address"),
      id: nullable.string.describe("Id of what created it; null without one"),
    })
    .describe("Where the task comes from"),
  trust: z
    .enum(taskTrusts)
    .describe(
      "`untrusted`: its text is by people without write access to the repository on the forge. Its runs get no secrets and never the network `full`.",
    ),
  branch: nullable.string.describe("Branch of the chosen or only attempt; null without one"),
  attempts: z.array(attempt).describe("The attempts, by number"),
  chosen_attempt_id: nullable.id.describe("The attempt that was chosen; null before"),
  pull_request: pullRequest
    .pick({
      id: true,
      number: true,
      url: true,
      state: true,
      review_decision: true,
      checks: true,
      mergeable: true,
      error: true,
    })
    .nullable()
    .describe("The newest pull request of its work on a forge; null without one"),
  cost_usd: z.number().describe("US dollars of all calls to models so far"),
  model_tokens: z.int().describe("Tokens of all calls to models so far"),
  attention: attention.nullable().describe("Why a person is needed; null if none is"),
  actions: z
    .strictObject({
      prompt: allowed.describe("Sending a prompt, as an answer or a request for changes"),
      stop: allowed.describe("Stopping the work"),
      release: allowed.describe("Letting a task start that waits for a person"),
      retry: allowed.describe("Starting again after a failure, a stop or a doubtful delivery"),
      merge: allowed.describe("Merging the chosen or only attempt"),
      open_pull_request: allowed.describe("Opening a pull request on the forge of the project"),
      approve: allowed.describe("Approving the open merge request"),
      attempt: allowed.describe("Adding an attempt"),
      cancel: allowed.describe("Cancelling the task"),
      update: allowed.describe("Changing title, owner, labels and the like"),
    })
    .describe("What the caller may do now"),
  created_by: z
    .strictObject({
      type: z
        .enum(["user", "agent", "service_account"])
        .describe("Whether a user, an agent or a service account"),
      id: id.describe("Id of the user, agent or service account"),
      name: z.string().describe("Name at that time"),
    })
    .describe("Who created the task"),
  created_at: timestamp.describe("Time of creation"),
  updated_at: timestamp.describe("Time of the last change of the task or its work"),
  finished_at: nullable.timestamp.describe("When it was done or cancelled; null before"),
});
export type Task = z.output<typeof task>;

const launch = {
  preset: z
    .enum(presetNames)
    .optional()
    .describe(
      "The program; by default the project's, else the only one that can start on the server",
    ),
  command: command
    .optional()
    .describe("For the preset `custom`: a program that speaks the Agent Client Protocol"),
  model: model.optional().describe("By default the project's, else the program's own"),
  network: run.shape.network
    .unwrap()
    .optional()
    .describe("Network of the program, as for a session; `restricted` by default"),
  allowed_hosts: allowedHosts
    .optional()
    .describe("Hosts for the network `restricted`, in place of those of the preset"),
};

const metadata = {
  labels: labels.optional().describe("At most 20 labels of at most 50 characters"),
  priority: z.enum(taskPriorities).optional().describe("`normal` by default"),
  owner: id.optional().describe("User whom the task is for; by default the caller"),
  assignees: z
    .array(id)
    .max(MAX_ASSIGNEES)
    .transform((values) => [...new Set(values)])
    .optional()
    .describe("Users who work on it beside its agents, at most 20; none by default"),
  depends_on: z
    .array(id)
    .max(MAX_DEPENDENCIES)
    .transform((values) => [...new Set(values)])
    .optional()
    .describe("Tasks of the project that must be done before, at most 50"),
};

export const newTask = z.strictObject({
  title: name
    .optional()
    .describe(
      "One line of at most 255 characters; by default made from the first line of the body",
    ),
  body: text.describe("What is to be done, at most 64 KiB: the first prompt"),
  ...launch,
  attempts: z
    .int()
    .min(1)
    .max(MAX_ATTEMPTS)
    .optional()
    .describe("Attempts side by side, 1 to 8; 1 by default"),
  ...metadata,
  start: z
    .boolean()
    .optional()
    .describe("Whether the work begins now, or once its dependencies are done; true by default"),
});
export type NewTask = z.output<typeof newTask>;

const comparison = z.strictObject({
  attempts: z
    .array(
      attempt.extend({
        paths_only_here: z
          .array(z.string())
          .describe("Files that no other attempt changes, at most 100"),
        paths: z.array(z.string()).describe("Changed files, at most 1000"),
      }),
    )
    .describe("The attempts that are not archived, by number"),
});
export type TaskComparison = z.output<typeof comparison>;

const loss = z.strictObject({
  id: id.describe("Id of the task"),
  agents: z.array(z.string()).describe("Names of the agents that are terminated"),
  running: z.int().describe("Runs that are stopped"),
  unmerged: z
    .array(
      z.strictObject({
        attempt_id: id.describe("Id of the attempt"),
        agent_name: z.string().describe("Name of the agent"),
        changes: taskChanges.describe("Changes that are not merged"),
      }),
    )
    .describe("Work that is not merged. It is archived, not deleted."),
  child_tasks: z.int().describe("Open tasks that its agents created; they stay"),
});

export const taskParams = z.strictObject({ task_id: id.describe("Id of the task") });
const attemptParams = taskParams.extend({ attempt_id: id.describe("Id of the attempt") });

/** A new agent cannot start. */
const startErrors = [
  "run_token_starts_no_runs",
  "quota_exceeded",
  "run_in_progress",
  "sandbox_unavailable",
  "program_missing",
  "missing_model_key",
  "network_not_isolated",
  "workspace_busy",
  "workspace_exists",
  "workspace_remote",
  "folder_unavailable",
  "project_not_ready",
  "agent_terminated",
  "name_taken",
  "task_held",
  "task_untrusted",
  "workspace_not_active",
  "repository_mismatch",
] as const;

/** An agent with a workspace of its own cannot start again. */
export const startAgainErrors = [
  ...startErrors,
  "docker_unavailable",
  "workspace_expired",
] as const;

const list = {
  status: z
    .string()
    .max(200)
    .transform((value) => value.split(","))
    .pipe(z.array(z.enum([...taskStatuses, "unfinished"])))
    .optional()
    .describe(
      "Only tasks in these states, separated by commas; `unfinished` is all but done and cancelled",
    ),
  mine: boolean.optional().describe("Only tasks whose owner is the caller"),
  label: label.optional().describe("Only tasks with this label"),
  attention: z
    .union([z.enum(attentionKinds), z.literal("any")])
    .optional()
    .describe("Only tasks that need a person for this reason, or for `any`"),
  q: z
    .string()
    .trim()
    .min(1)
    .max(200)
    .optional()
    .describe(
      "Words that all occur in title, body, number or the agents' names; if none has them, tasks with similar words in title, labels or the agents' names",
    ),
  sort: z
    .enum(taskSorts)
    .default("number")
    .describe("`number` and times: newest first. `priority` and `urgency`: most pressing first."),
};

export const tasks = {
  list: endpoint({
    method: "GET",
    path: "/api/v1/projects/{project_id}/tasks",
    access: "project:task:read",
    summary: "List the tasks of a project",
    params: projectParams,
    query: page.extend(list),
    response: z.array(task),
  }),
  listAll: endpoint({
    method: "GET",
    path: "/api/v1/organizations/{org_id}/tasks",
    access: "project:task:read",
    summary: "List the tasks of all projects of an organization",
    params: orgParams,
    query: page.extend(list),
    response: z.array(task),
  }),
  create: endpoint({
    method: "POST",
    path: "/api/v1/projects/{project_id}/tasks",
    access: "project:task:write",
    summary: "Create a task; its agents, workspaces and sessions start with it",
    status: 201,
    location: "/api/v1/tasks/{id}",
    params: projectParams,
    body: newTask,
    response: task,
    errors: [...startErrors, "task_limit"],
  }),
  get: endpoint({
    method: "GET",
    path: "/api/v1/tasks/{task_id}",
    access: "project:task:read",
    tenant: "params.task_id",
    summary: "Get a task",
    params: taskParams,
    response: task,
  }),
  events: endpoint({
    method: "GET",
    path: "/api/v1/tasks/{task_id}/events",
    access: "project:task:read",
    tenant: "params.task_id",
    summary:
      "Stream what happens to a task and its attempts as Server-Sent Events: `change` with {type, id}, where the id is the task's (also for a `review` or `thread`) or an agent's; `event` with the id that webhooks get; `reset` after missed events",
    status: 200,
    media: ["text/event-stream"],
    params: taskParams,
    query: eventStreamQuery,
  }),
  update: endpoint({
    method: "PATCH",
    path: "/api/v1/tasks/{task_id}",
    access: "project:task:write",
    tenant: "params.task_id",
    summary: "Change a task. `done` and `open` finish and reopen it; DELETE cancels it.",
    params: taskParams,
    body: z.strictObject({
      title: name.optional().describe("One line of at most 255 characters"),
      body: text.optional().describe("At most 64 KiB. Prompts that were sent stay as they are."),
      status: z.enum(["open", "done"]).optional().describe("Reopens the task, or finishes it"),
      ...metadata,
    }),
    response: task,
    errors: ["task_cycle"],
  }),
  delete: endpoint({
    method: "DELETE",
    path: "/api/v1/tasks/{task_id}",
    access: "project:task:write",
    tenant: "params.task_id",
    summary:
      "Cancel a task: stop its runs, archive its workspaces, terminate its agents. Returns what is lost; with `preview` it changes nothing.",
    status: 200,
    params: taskParams,
    query: z.strictObject({
      preview: boolean
        .optional()
        .describe("Whether to show what would be lost, and change nothing"),
    }),
    revokes: true,
    response: loss,
    errors: [
      "task_finished",
      "run_in_progress",
      "workspace_not_active",
      "repository_mismatch",
      ...commitErrors,
    ],
  }),
  addAttempts: endpoint({
    method: "POST",
    path: "/api/v1/tasks/{task_id}/attempts",
    access: "project:task:write",
    tenant: "params.task_id",
    summary: "Start further attempts, each with a workspace of its own",
    status: 200,
    params: taskParams,
    body: z.strictObject({
      count: z.int().min(1).max(MAX_ATTEMPTS).optional().describe("How many; 1 by default"),
      ...launch,
      prompt: text.optional().describe("The first prompt; by default the body of the task"),
    }),
    response: task,
    errors: [...startErrors, "task_finished", "too_many_attempts"],
  }),
  compare: endpoint({
    method: "GET",
    path: "/api/v1/tasks/{task_id}/attempts/compare",
    access: "project:task:read",
    tenant: "params.task_id",
    summary: "Compare the attempts of a task",
    params: taskParams,
    response: comparison,
  }),
  choose: endpoint({
    method: "POST",
    path: "/api/v1/tasks/{task_id}/attempts/{attempt_id}/choose",
    access: "project:task:write",
    tenant: "params.task_id",
    summary: "Choose an attempt. The others are stopped and archived; their work stays reachable.",
    status: 200,
    params: attemptParams,
    response: task,
    errors: ["task_finished", "attempt_chosen", "attempt_archived"],
  }),
  prompt: endpoint({
    method: "POST",
    path: "/api/v1/tasks/{task_id}/prompts",
    access: "project:task:write",
    tenant: "params.task_id",
    summary:
      "Send a prompt to the chosen or only attempt; its session starts again if it has ended",
    status: 200,
    params: taskParams,
    body: z.strictObject({
      text: text.describe("The prompt, at most 64 KiB"),
      attempt_id: id.optional().describe("The attempt, if there are several and none is chosen"),
    }),
    response: task,
    errors: [
      ...startAgainErrors,
      "no_attempt",
      "attempt_archived",
      "too_many_prompts",
      "session_closed",
      "task_finished",
    ],
  }),
  stop: endpoint({
    method: "POST",
    path: "/api/v1/tasks/{task_id}/stop",
    access: "project:task:write",
    tenant: "params.task_id",
    summary: "Stop all work of a task. Its attempts and their changes stay.",
    status: 200,
    params: taskParams,
    response: task,
    errors: ["run_in_progress"],
  }),
  retry: endpoint({
    method: "POST",
    path: "/api/v1/tasks/{task_id}/retry",
    access: "project:task:write",
    tenant: "params.task_id",
    summary: "Start the failed, stopped or unstarted attempts of a task",
    status: 200,
    params: taskParams,
    response: task,
    errors: [
      ...startAgainErrors,
      "task_finished",
      "nothing_to_retry",
      "too_many_attempts",
      "session_closed",
      "too_many_prompts",
    ],
  }),
  release: endpoint({
    method: "POST",
    path: "/api/v1/tasks/{task_id}/release",
    access: "project:task:write",
    tenant: "params.task_id",
    summary:
      "Let a task start whose text is by people from outside. Only a person releases a task.",
    status: 200,
    params: taskParams,
    response: task,
    errors: ["task_finished"],
  }),
  merge: endpoint({
    method: "POST",
    path: "/api/v1/tasks/{task_id}/merge",
    access: "project:task:write",
    tenant: "params.task_id",
    summary:
      "Merge the chosen or only attempt; a protected branch gets a merge request. Merged, the task is done.",
    status: 200,
    params: taskParams,
    response: task,
    errors: [
      "no_attempt",
      "task_finished",
      "run_in_progress",
      "merge_conflict",
      "workspace_busy",
      "branch_protected",
      "threads_open",
      "merge_request_open",
      "queue_full",
      "unsaved_changes",
      ...activeErrors,
      ...commitErrors,
    ],
  }),
};
