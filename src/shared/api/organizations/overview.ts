import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { boolean, id, instant, page, timestamp } from "../../contract/fields.js";
import { permissionRequest, sessionStatuses } from "../agents/sessions.js";
import { run } from "../agents/runs.js";
import { merge } from "../projects/merges.js";
import { mergeRequest } from "../projects/merge-requests.js";

/** The identity of an item: its type, the ids that it is about, and what makes it new. */
export const itemKey = z
  .string()
  .max(200)
  .regex(/^[a-z_]+(?::[0-9A-Za-z_.-]+){1,5}$/, "must be the key of an item of the attention list");

const item = {
  key: itemKey,
  /** When it began to need attention. */
  at: timestamp,
  /** Null for an item of the whole organization. */
  project_id: id.nullable(),
  project_name: z.string().nullable(),
  agent_id: id.nullable(),
  agent_name: z.string().nullable(),
};

/** Distinguishes runs. */
const titled = {
  /** The title of its session or the first line of its prompt; null for a command. */
  title: z.string().nullable(),
  command: run.shape.command,
  preset: run.shape.preset,
};

export const budgetKinds = [
  "model_cost",
  "model_tokens",
  "runtime_hours",
  "concurrent_agents",
] as const;

/** Something in an organization that waits for a person. */
export const attentionItem = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("permission_request"),
    ...item,
    session_id: id,
    session_title: z.string(),
    request: permissionRequest,
  }),
  /** The last run of an agent, which has begun nothing since. */
  z.strictObject({
    type: z.literal("failed_run"),
    ...item,
    run_id: id,
    kind: run.shape.kind,
    status: run.shape.status,
    exit_code: run.shape.exit_code,
    ...titled,
    /** Why it ended, as a sentence. */
    detail: run.shape.detail,
    /** The session whose program it was. */
    session_id: id.nullable(),
  }),
  /** A merge of two workspaces, or of a workspace and its base branch, would conflict. */
  z.strictObject({
    type: z.literal("conflict"),
    ...item,
    branch_name: z.string(),
    /** Null for the base branch. */
    other_agent_id: id.nullable(),
    other_agent_name: z.string().nullable(),
    other_branch_name: z.string(),
    total_conflicts: z.number().int(),
    /** The first paths in conflict. */
    paths: z.array(z.string()),
  }),
  /** A merge request of other people's work that waits for an approval. */
  z.strictObject({
    type: z.literal("merge_request"),
    ...item,
    merge_request_id: id,
    kind: mergeRequest.shape.kind,
    source_branch: z.string(),
    target_branch: z.string(),
    /** What it is waiting for, as a sentence. */
    reason: z.string().nullable(),
    requested_by: mergeRequest.shape.requested_by,
  }),
  /** A budget or quota of which at least 80 % are used, or runs that wait for a free place. */
  z.strictObject({
    type: z.literal("budget"),
    ...item,
    kind: z.enum(budgetKinds),
    owner: z.enum(["organization", "project", "agent"]),
    used: z.number(),
    limit: z.number(),
    /** The end of the calendar month in UTC; null for a limit that has no period. */
    resets_at: timestamp.nullable(),
  }),
  /** A key that expires within seven days and has no successor. */
  z.strictObject({
    type: z.literal("api_key"),
    ...item,
    key_id: id,
    name: z.string(),
    key_hint: z.string(),
    expires_at: timestamp,
    /** Whether it is the caller's own. */
    is_own: z.boolean(),
    owner_name: z.string(),
  }),
]);
export type AttentionItem = z.output<typeof attentionItem>;

export const workStates = ["working", "needs_you", "ready", "idle"] as const;

/** An agent with its current or last work. */
export const agentWork = z.strictObject({
  agent_id: id,
  agent_name: z.string(),
  project_id: id,
  project_name: z.string(),
  description: z.string().nullable(),
  task_title: z.string().nullable(),
  /**
   * `working` with a run in progress or in the queue; `needs_you` with a request for a permission, a failed last
   * run or a predicted conflict; `ready` with commits to merge; else `idle`.
   */
  state: z.enum(workStates),
  /** A session that waits for an answer to a request for a permission. */
  waiting_session_id: id.nullable(),
  /** The run in progress, or the first one in the queue. */
  current: z
    .strictObject({
      run_id: id,
      kind: run.shape.kind,
      ...titled,
      /** Null while it is queued. */
      started_at: timestamp.nullable(),
      /** Null once it has started. */
      queue_position: run.shape.queue_position,
      stop_requested: run.shape.stop_requested,
      session_id: id.nullable(),
      session_status: z.enum(sessionStatuses).nullable(),
    })
    .nullable(),
  /** The last run that has ended. */
  last_outcome: z
    .strictObject({
      run_id: id,
      status: run.shape.status,
      exit_code: run.shape.exit_code,
      ended_at: timestamp,
      session_id: id.nullable(),
    })
    .nullable(),
  /** The branch of its workspace, also of an archived one; null without a workspace. */
  branch_name: z.string().nullable(),
  /** Null without an active workspace, like the figures below, which are also null while they are being counted. */
  base_branch: z.string().nullable(),
  /** Commits that the base branch lacks. */
  unmerged_commits: z.number().int().nullable(),
  /** Lines changed since the merge base with the base branch. */
  additions: z.number().int().nullable(),
  deletions: z.number().int().nullable(),
  /** Other workspaces and base branches that its branch would conflict with. */
  conflicts: z.number().int(),
  /** US dollars spent on models so far, as far as their prices are known. */
  cost_usd: z.number(),
  /** The end of the log of the current or last run, or of its session; plain text of at most 200 characters. */
  last_line: z.string().nullable(),
});
export type AgentWork = z.output<typeof agentWork>;

/** The results of an organization since an instant. */
export const results = z.strictObject({
  since: timestamp,
  runs: z.strictObject({ succeeded: z.number().int(), failed: z.number().int() }),
  /** US dollars spent on models by the runs that began since then, and by others on later days in UTC. */
  cost_usd: z.number(),
  total_merges: z.number().int(),
  /** The newest merges. */
  merges: z.array(
    z.strictObject({
      id,
      kind: merge.shape.kind,
      project_id: id,
      project_name: z.string(),
      agent_id: id,
      agent_name: z.string(),
      target_branch: z.string(),
      /** What it brought to the target; null while it is being counted. */
      commits: z.number().int().nullable(),
      additions: z.number().int().nullable(),
      deletions: z.number().int().nullable(),
      merged_by: z.string(),
      at: timestamp,
    }),
  ),
});
export type Results = z.output<typeof results>;

const params = z.strictObject({ org_id: z.string().min(1).max(63) });
const itemParams = params.extend({ item_key: itemKey });

export const overview = {
  attention: endpoint({
    method: "GET",
    path: "/api/v1/organizations/{org_id}/attention",
    access: "org:read",
    summary:
      "List what waits for the caller, newest first: requests for permissions, failed runs, predicted conflicts, merges to approve, budgets and keys that are about to run out",
    params,
    query: page,
    response: z.array(attentionItem),
  }),
  dismiss: endpoint({
    method: "PUT",
    path: "/api/v1/organizations/{org_id}/attention/{item_key}/dismissal",
    access: "org:read",
    summary: "Mark an item as done, for the caller only",
    params: itemParams,
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
    params,
    query: page.extend({
      project_id: id.optional(),
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
    params,
    query: z.strictObject({
      since: instant.describe("For today, the beginning of the day in the caller's time zone"),
    }),
    response: results,
  }),
};
