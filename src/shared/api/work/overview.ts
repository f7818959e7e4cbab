import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import {
  boolean,
  id,
  instant,
  nullable,
  orgParams,
  page,
  timestamp,
} from "../../contract/fields.js";
import { permissionRequest, sessionStatuses } from "./sessions.js";
import { attentionKinds, taskChanges } from "./tasks.js";
import { run } from "../execution/runs.js";
import { merge } from "../code/merges.js";
import { mergeRequest } from "../code/merge-requests.js";

/** The identity of an item: its type, the ids that it is about, and what makes it new. */
export const itemKey = z
  .string()
  .max(200)
  .regex(/^[a-z_]+(?::[0-9A-Za-z_.-]+){1,5}$/, "must be the key of an item of the attention list");

/** The task that work belongs to. */
const ofTask = {
  task_id: nullable.id.describe("Id of the task; null without one"),
  task_number: nullable.integer.describe(
    "Number of the task within its project; null without a task",
  ),
  task_title: nullable.string.describe("Title of the task; null without one"),
  task_owner_id: nullable.id.describe(
    "Id of the user whom the task is for; null without a task, or if the account is deleted",
  ),
};

const item = {
  key: itemKey.describe("Key of the item, to dismiss it"),
  at: timestamp.describe("When it began to need attention"),
  project_id: nullable.id.describe("Id of the project; null for an item of the whole organization"),
  project_name: nullable.string.describe(
    "Name of the project; null for an item of the whole organization",
  ),
  agent_id: nullable.id.describe("Id of the agent; null for an item without one"),
  agent_name: nullable.string.describe("Name of the agent; null for an item without one"),
  ...ofTask,
  task_owner_name: nullable.string.describe(
    "Name of the user whom the task is for; null without a task, or if the account is deleted",
  ),
  urgency: z
    .int()
    .describe(
      "Smaller is more urgent. Items of the same urgency are sorted by time, newest first.",
    ),
};

/** Distinguishes runs. */
const titled = {
  title: nullable.string.describe(
    "The title of its session or the first line of its prompt; null for a command",
  ),
  command: run.shape.command.describe("The program and its arguments; null for a leased run"),
  preset: run.shape.preset.describe("The preset that made the command; null for a given command"),
};

export const budgetKinds = [
  "model_cost",
  "model_tokens",
  "runtime_hours",
  "concurrent_agents",
] as const;

/** Something in an organization that waits for a person. */
export const attentionItem = z.discriminatedUnion("type", [
  /** A task; its requests for permissions, merge requests and conflicts are items of those types. */
  z.strictObject({
    type: z.literal("task").describe("A task needs a person"),
    ...item,
    kind: z
      .enum(attentionKinds)
      .exclude(["permission"])
      .describe(
        "`review`: the turn ended with changes. `no_changes`: it ended without changes and without a question. `stuck`: silent while it works. `delivery_unknown`: the server stopped while a prompt was being delivered. `release`: its text is by people from outside, and a person decides whether it starts.",
      ),
    summary: z.string().describe("One line: the question or the reason. Written by an agent."),
    attempt_id: nullable.id.describe("The attempt that needs a person; null for the task itself"),
    session_id: nullable.id.describe("Id of the attempt's session; null before it starts"),
    changes: taskChanges
      .nullable()
      .describe(
        "For `review`: what would change in the base branch; else null, also while it is being counted or the server that stores the project does not respond",
      ),
  }),
  z.strictObject({
    type: z.literal("permission_request").describe("A program waits for an answer"),
    ...item,
    session_id: id.describe("Id of the session"),
    session_title: z.string().describe("Title of the session"),
    request: permissionRequest.describe("The request and its possible answers"),
  }),
  /** The last run of an agent, which has begun nothing since. */
  z.strictObject({
    type: z.literal("failed_run").describe("The last run of an agent has failed"),
    ...item,
    run_id: id.describe("Id of the run"),
    kind: run.shape.kind.describe("Kind of the run"),
    status: run.shape.status.describe("State of the run"),
    exit_code: run.shape.exit_code.describe("Exit code; null for a leased run"),
    ...titled,
    detail: run.shape.detail.describe(
      "Why it ended, as a sentence; null if there is nothing to say",
    ),
    session_id: nullable.id.describe("Id of the session whose program it was; null for other runs"),
  }),
  /** A file that several workspaces, or workspaces and their base branch, change in conflict with each other. */
  z.strictObject({
    type: z
      .literal("conflict")
      .describe(
        "Branches would conflict in a file if they were merged now. Agents, branches, total and paths are those of the first two.",
      ),
    ...item,
    path: z.string().describe("The file"),
    agents: z
      .array(
        z.strictObject({
          agent_id: id.describe("Id of the agent"),
          agent_name: z.string().describe("Name of the agent"),
          ...ofTask,
        }),
      )
      .describe("All agents that change the file in conflict, by name"),
    base_branch: nullable.string.describe(
      "The base branch, if it changes the file in conflict; else null",
    ),
    branch_name: z.string().describe("Branch of the agent's workspace"),
    other_agent_id: nullable.id.describe("Null for the base branch"),
    other_agent_name: nullable.string.describe("Name of the other agent; null for the base branch"),
    other_branch_name: z.string().describe("The other branch"),
    total_conflicts: z.int().describe("Number of conflicts"),
    paths: z.array(z.string()).describe("The first paths in conflict"),
  }),
  /** A merge request of other people's work that waits for an approval. */
  z.strictObject({
    type: z.literal("merge_request").describe("A merge waits for an approval"),
    ...item,
    merge_request_id: id.describe("Id of the merge request"),
    kind: mergeRequest.shape.kind.describe("`merge`, or an undo: `revert` or `restore`"),
    source_branch: z.string().describe("Branch that is merged"),
    target_branch: z.string().describe("Branch that is merged into"),
    reason: nullable.string.describe(
      "What it is waiting for, as a sentence; null if there is nothing to say",
    ),
    requested_by: mergeRequest.shape.requested_by.describe(
      "Who requested the merge; null if the account is deleted",
    ),
  }),
  /** A budget or quota of which at least 80 % are used, or runs that wait for a free place. */
  z.strictObject({
    type: z.literal("budget").describe("A limit is nearly or fully used up"),
    ...item,
    kind: z.enum(budgetKinds).describe("The limit"),
    owner: z.enum(["organization", "project", "agent"]).describe("Whose limit it is"),
    used: z.number().describe("Amount in use, in the unit of the limit"),
    limit: z.number().describe("The limit: US dollars, tokens, hours or agents"),
    resets_at: nullable.timestamp.describe(
      "The end of the calendar month in UTC; null for a limit that has no period",
    ),
  }),
  /** A key that expires within seven days and has no successor. */
  z.strictObject({
    type: z.literal("api_key").describe("An API key is about to expire"),
    ...item,
    key_id: id.describe("Id of the key"),
    name: z.string().describe("Name of the key"),
    key_hint: z.string().describe("Beginning and end of the key"),
    expires_at: timestamp.describe("Time at which it expires"),
    is_own: z.boolean().describe("Whether it is the caller's own"),
    owner_name: z.string().describe("Name of the key's owner"),
  }),
]);
export type AttentionItem = z.output<typeof attentionItem>;

export const workStates = ["working", "needs_you", "ready", "idle"] as const;

/** An agent with its current or last work. */
export const agentWork = z.strictObject({
  agent_id: id.describe("Id of the agent"),
  agent_name: z.string().describe("Name of the agent"),
  project_id: id.describe("Id of the project"),
  project_name: z.string().describe("Name of the project"),
  description: nullable.string.describe("Free text about the agent; null for none"),
  ...ofTask,
  task_title: nullable.string.describe("Title of its task; null for none"),
  state: z
    .enum(workStates)
    .describe(
      "`working` with a run in progress or in the queue; `needs_you` with a request for a permission, a failed last run or a predicted conflict; `ready` with commits to merge; else `idle`.",
    ),
  waiting_session_id: nullable.id.describe(
    "A session that waits for an answer to a request for a permission; null if there is none",
  ),
  current: z
    .strictObject({
      run_id: id.describe("Id of the run"),
      kind: run.shape.kind.describe("Kind of the run"),
      ...titled,
      started_at: nullable.timestamp.describe("Null while it is queued"),
      queue_position: run.shape.queue_position.describe(
        "Position in the organization's queue, starting at 1; null once it has started",
      ),
      stop_requested: run.shape.stop_requested.describe(
        "Whether it was asked to stop and has not ended yet",
      ),
      session_id: nullable.id.describe(
        "Id of the session whose program it is; null for other runs",
      ),
      session_status: z
        .enum(sessionStatuses)
        .nullable()
        .describe("State of that session; null for other runs"),
    })
    .nullable()
    .describe("The run in progress, or the first one in the queue; null if there is none"),
  last_outcome: z
    .strictObject({
      run_id: id.describe("Id of the run"),
      status: run.shape.status.describe("How it ended"),
      exit_code: run.shape.exit_code.describe("Exit code; null for a leased run"),
      ended_at: timestamp.describe("Time at which it ended"),
      session_id: nullable.id.describe(
        "Id of the session whose program it was; null for other runs",
      ),
    })
    .nullable()
    .describe("The last run that has ended; null before"),
  branch_name: nullable.string.describe(
    "The branch of its workspace, also of an archived one; null without a workspace",
  ),
  base_branch: nullable.string.describe(
    "Branch that its merges go to; null without an active workspace, like the figures below, which are also null while they are being counted or the server that stores the project does not respond",
  ),
  unmerged_commits: nullable.integer.describe("Commits that the base branch lacks; null as above"),
  additions: nullable.integer.describe(
    "Lines added since the merge base with the base branch; null as above",
  ),
  deletions: nullable.integer.describe(
    "Lines removed since the merge base with the base branch; null as above",
  ),
  conflicts: z
    .int()
    .describe("Other workspaces and base branches that its branch would conflict with"),
  cost_usd: z.number().describe("US dollars of its calls to models so far, as budgets count them"),
  last_line: nullable.string.describe(
    "End of the log of the current or last run, or of its session: plain text of at most 200 characters; null without one, or while the server that stores the project does not respond",
  ),
});
export type AgentWork = z.output<typeof agentWork>;

/** The results of an organization since an instant. */
export const results = z.strictObject({
  since: timestamp.describe("Start of the period, as requested"),
  runs: z
    .strictObject({
      succeeded: z.int().describe("Runs that ended as `succeeded`"),
      failed: z.int().describe("Runs that ended as failed, timed out, lost or over a quota"),
    })
    .describe("Runs that ended since then"),
  cost_usd: z
    .number()
    .describe(
      "US dollars spent on models by the runs that began since then, and by others on later days in UTC",
    ),
  total_merges: z.int().describe("Number of merges since then"),
  merges: z
    .array(
      z.strictObject({
        id: id.describe("Id of the merge, under the workspace of its agent"),
        kind: merge.shape.kind.describe("`merge`, or an undo: `revert` or `restore`"),
        project_id: id.describe("Id of the project"),
        project_name: z.string().describe("Name of the project"),
        agent_id: id.describe("Id of the agent"),
        agent_name: z.string().describe("Name of the agent"),
        ...ofTask,
        cost_usd: z.number().describe("US dollars of the agent's calls to models so far"),
        target_branch: z.string().describe("Branch that was merged into"),
        commits: nullable.integer.describe(
          "Commits that it brought to the target; null while they are being counted or the server that stores the project does not respond",
        ),
        additions: nullable.integer.describe("Lines added to the target; null as above"),
        deletions: nullable.integer.describe("Lines removed from the target; null as above"),
        merged_by: z.string().describe("Name of the user, agent or service account who merged"),
        at: timestamp.describe("Time of the merge"),
      }),
    )
    .describe("The newest merges"),
  finished_tasks: z
    .array(
      z.strictObject({
        id: id.describe("Id of the task"),
        number: z.int().describe("Number within the project"),
        title: z.string().describe("Title of the task"),
        status: z.enum(["done", "cancelled"]).describe("How it was finished"),
        owner_id: nullable.id.describe("Id of its owner; null without one"),
        project_id: id.describe("Id of the project"),
        project_name: z.string().describe("Name of the project"),
        cost_usd: z.number().describe("US dollars of its agents' calls to models so far"),
        at: timestamp.describe("When it was finished"),
      }),
    )
    .describe("The newest tasks that were finished without a merge since then, at most 20"),
});
export type Results = z.output<typeof results>;

const itemParams = orgParams.extend({
  item_key: itemKey.describe("Key of the item, from the list"),
});

export const overview = {
  attention: endpoint({
    method: "GET",
    path: "/api/v1/organizations/{org_id}/attention",
    access: "org:read",
    summary:
      "List what waits for the caller, the most urgent first: requests for permissions, tasks, failed runs, predicted conflicts, merges to approve, budgets and keys that are about to run out",
    params: orgParams,
    query: page,
    response: z.array(attentionItem),
  }),
  dismiss: endpoint({
    method: "PUT",
    path: "/api/v1/organizations/{org_id}/attention/{item_key}/dismissal",
    access: "org:read",
    summary: "Mark an item as done or snooze it, for the caller only",
    params: itemParams,
    body: z
      .strictObject({
        until: instant
          .optional()
          .describe(
            "Time at which the item is listed again, within the next 90 days; without it, the item is done",
          ),
      })
      .optional(),
  }),
  undismiss: endpoint({
    method: "DELETE",
    path: "/api/v1/organizations/{org_id}/attention/{item_key}/dismissal",
    access: "org:read",
    summary: "Undo the dismissal of an item",
    params: itemParams,
  }),
  work: endpoint({
    method: "GET",
    path: "/api/v1/organizations/{org_id}/work",
    access: "agent:read",
    summary: "List the organization's agents with their current or last work",
    params: orgParams,
    query: page.extend({
      project_id: id.optional().describe("Only agents of this project"),
      running: boolean
        .optional()
        .describe("Only agents with a run in progress or in the queue, or only the others"),
    }),
    response: z.array(agentWork),
  }),
  results: endpoint({
    method: "GET",
    path: "/api/v1/organizations/{org_id}/results",
    access: "agent:read",
    summary: "Sum up what the organization has done since an instant of the last seven days",
    params: orgParams,
    query: z.strictObject({
      since: instant.describe("For today, the beginning of the day in the caller's time zone"),
    }),
    response: results,
  }),
};
