import { z } from "zod";
import { mergeDriverNames } from "../../code/merge-drivers.js";
import { endpoint } from "../../contract/endpoint.js";
import {
  agentParams,
  commitId,
  id,
  mergeStrategy,
  nullable,
  page,
  projectParams,
  timestamp,
} from "../../contract/fields.js";
import { diff } from "./commits.js";
import { mergeRequest as queuedRequest } from "./merge-requests.js";
import { branch } from "./projects.js";
import { activeErrors, commitErrors, folderErrors, workspaceErrors } from "../workspace-errors.js";

export type MergeStrategy = z.output<typeof mergeStrategy>;

const resolution = z.strictObject({
  paths: z
    .array(z.string())
    .describe("Paths that were decided together, such as a rename and its other side"),
  kind: z.string().describe("Kind of conflict, such as `modify/modify` or `modify/delete`"),
  winner: z
    .enum(["source", "target", "merged"])
    .describe(
      "`source` or `target` was taken whole; `merged`: a resolution or a driver has given the content",
    ),
  rule: z.string().describe("Why it won, in one sentence"),
  source_time: nullable.timestamp.describe(
    "Time at which the server received the source's latest change of these paths; null if it did not decide",
  ),
  target_time: nullable.timestamp.describe(
    "Time at which the server received the target's latest change of these paths; null if it did not decide",
  ),
  loser_ref: nullable.string.describe(
    "Reference that keeps the losing commit, `refs/keep/…`; null if the loser is a deletion",
  ),
});

/** A file that both sides changed and that a merge driver of the project applied to. */
export const driverFile = z.strictObject({
  path: z.string().describe("Path of the file"),
  driver: z.enum(mergeDriverNames).describe("The merge driver"),
  result: z
    .enum(["merged", "conflict", "lines", "pending"])
    .describe(
      "`merged` by the driver; `conflict`, decided by the strategy; `lines`: the driver does not apply, and git merged the lines; or, in a preview, `pending`: the merge will run the command.",
    ),
  reason: nullable.string.describe(
    "Why the driver did not merge the file, in one sentence; null if it did",
  ),
  command: z.array(z.string()).optional().describe("The command of the driver `regenerate`"),
  run_id: id.nullish().describe("The run of that command, with its log; null until it has run"),
});
export type DriverFile = z.output<typeof driverFile>;

/**
 * The operation that moved the target branch: a merge of the workspace, an undo of all or part of
 * one, or a sync, whose source is the base branch and whose target is the workspace's branch.
 */
export const mergeKinds = ["merge", "revert", "restore", "sync"] as const;

const mergeFields = {
  kind: z
    .enum(mergeKinds)
    .describe(
      "`merge` of the workspace, `revert` or `restore` of one, or `sync` of the base branch into the workspace",
    ),
  of_merge: nullable.id.describe(
    "The merge that a revert undoes, or whose losing version a restore brings back; otherwise null",
  ),
  source_branch: z.string().describe("Branch that was merged"),
  target_branch: z.string().describe("Branch that was merged into"),
  status: z
    .enum(["clean", "conflict_resolved", "up_to_date"])
    .describe("`clean` without conflicts; `up_to_date`: there was nothing to merge"),
  resolution_strategy: mergeStrategy.describe("Rule that decided the conflicts"),
  total_conflicts: z.int().describe("Number of conflicts"),
  conflicts_resolved: z.array(z.string()).describe("Paths that were in conflict"),
  resolutions: z.array(resolution).describe("How each conflict was decided"),
  driver_files: z.array(driverFile).describe("Files that a merge driver of the project applied to"),
  reverted_by: nullable.id.describe("Id of the merge that undid this one; null if none did"),
  created_at: timestamp.describe("Time of the merge"),
};
export const merge = z.strictObject({
  id: nullable.id.describe("Id of the merge; null in a preview and with nothing to merge"),
  merge_commit_sha: nullable.string.describe(
    "The merge commit; null in a preview and with nothing to merge",
  ),
  subject: nullable.string.describe(
    "The first line of its message; null in a preview, with nothing to merge, and for merges of Omoi 0.1",
  ),
  ...mergeFields,
});
export type Merge = z.output<typeof merge>;

/** A merge in a project's list, with its agent and without resolutions. */
export const projectMerge = merge.omit({ resolutions: true, driver_files: true }).extend({
  id: id.describe("Id of the merge"),
  agent_id: id.describe("Id of the agent"),
  agent_name: z.string().describe("Name of the agent"),
});
export type ProjectMerge = z.output<typeof projectMerge>;

const version = z.strictObject({
  path: z.string().describe("Path of the file"),
  mode: z.string().describe("Six octal digits in git's notation"),
  oid: z
    .string()
    .describe(
      "The git object id of the content: equal ids mean equal content. For a submodule, its commit.",
    ),
  text: nullable.string.describe(
    "The content; for a symbolic link, its target; null if it is omitted",
  ),
  omitted: z
    .enum(["binary", "big", "submodule"])
    .nullable()
    .describe(
      "Why there is no text: the file is binary, too large (`big`) or a submodule; null if there is one",
    ),
});
export type FileVersion = z.output<typeof version>;

/** Which lines a conflict hunk takes; `both` takes the target's and then the source's. */
export const hunkTakes = ["source", "target", "both"] as const;
export type HunkTake = (typeof hunkTakes)[number];

/** A part of a merged text: lines that git merged, or a conflict hunk with the lines of both sides. */
const segment = z.union([
  z.strictObject({ text: z.string().describe("Lines that git merged") }),
  z.strictObject({
    target: z.string().describe("Lines of the target in this conflict hunk"),
    source: z.string().describe("Lines of the source in this conflict hunk"),
  }),
]);
export const mergedText = z.strictObject({
  path: z.string().describe("The path of the text, one of the conflict's"),
  segments: z.array(segment).describe("The parts of the text, in order"),
});
export type MergedText = z.output<typeof mergedText>;

export const conflict = z.strictObject({
  paths: z.array(z.string()).describe("Paths that are decided together"),
  kind: z.string().describe("Kind of conflict, such as `modify/modify` or `modify/delete`"),
  source: z.array(version).describe("Files of the source; empty if it deleted them"),
  target: z.array(version).describe("Files of the target; empty if it deleted them"),
  merged: mergedText
    .nullable()
    .describe(
      "git's merged text with at least one conflict hunk. Null for files that are deleted, moved, binary or large, and for links and submodules.",
    ),
});
export const conflicts = z.strictObject({
  source_commit: z.string().describe("Commit of the source; in a preview, it may not be stored"),
  target_commit: z.string().describe("Commit of the target"),
  conflicts: z.array(conflict).describe("The conflicts"),
});
export type Conflicts = z.output<typeof conflicts>;

/** Maximum number of commits that `mergeChanges` lists. */
export const maxMergedCommits = 250;

export const mergeChanges = z.strictObject({
  author: z
    .strictObject({
      type: z
        .enum(["user", "agent", "service_account", "system"])
        .describe("`system` is the server itself"),
      name: z.string().describe("Name of the user, agent or service account"),
    })
    .describe("The author of the merge: a user, an agent, or the server itself"),
  commits: z
    .array(
      z.strictObject({
        sha: z.string().describe("Id of the commit, 40 hexadecimal digits"),
        subject: z.string().describe("First line of its message"),
        author_name: z.string().describe("Name of the commit's author, as git has it"),
        at: timestamp.describe("When the server received it; for imported commits, their own date"),
      }),
    )
    .max(maxMergedCommits)
    .describe("The commits that the merge brought into the target, newest first; at most 250"),
  has_more_commits: z.boolean().describe("Whether more commits exist"),
  diff: diff.describe("The change of the target branch"),
});
export type MergeChanges = z.output<typeof mergeChanges>;

const path = z.string().min(1).max(4096, "is too long");

/**
 * The resolution of one conflict, named by any of its paths: one side's version, new content, or the
 * lines of each hunk of the merged text, in their order.
 */
export const choice = z
  .strictObject({
    path: path.describe("Any path of the conflict"),
    take: z.enum(["source", "target"]).optional().describe("Takes one side's version whole"),
    content: z.string().optional().describe("The new content of the file"),
    hunks: z
      .array(
        z.strictObject({
          take: z
            .enum(hunkTakes)
            .describe(
              "Takes the lines of a side, or of `both`: the target's and then the source's",
            ),
        }),
      )
      .min(1)
      .max(100_000)
      .optional()
      .describe("Decides each hunk of the merged text, in their order"),
  })
  .refine(
    ({ take, content, hunks }) =>
      [take, content, hunks].filter((given) => given !== undefined).length === 1,
    { message: "must have one of take, content and hunks" },
  );
export type Choice = z.output<typeof choice>;

/** The body of a restore. */
export const restoredPaths = z
  .array(path, "must be a list of paths")
  .min(1, "must name a path")
  .max(10_000)
  .describe("Paths whose losing version is brought back, 1 or more");

const message = z.string().min(1).max(8192, "must be at most 8 KiB").optional();

/** The state that the decisions refer to: if the branches have moved, the call fails as stale. */
const decided = {
  resolutions: z
    .array(choice)
    .max(10_000)
    .optional()
    .describe("Decisions on conflicts, at most 10 000; the others are decided by the strategy"),
  expected_source: commitId
    .optional()
    .describe(
      "The source commit that the decisions refer to; if the branch has moved, the call is 412 `stale`",
    ),
  expected_target: commitId
    .optional()
    .describe(
      "The target commit that the decisions refer to; if the branch has moved, the call is 412 `stale`",
    ),
};
export const mergeRequest = z.strictObject({
  target_branch: branch
    .optional()
    .describe("Branch to merge into; by default the workspace's base branch"),
  strategy: mergeStrategy
    .optional()
    .describe("Rule that decides conflicts; by default that of the branch or the workspace"),
  message: message.describe(
    "Message of the merge commit, at most 8 KiB; by default the title of the agent's task, or one made from the branches",
  ),
  ...decided,
});

export const undoStrategies = ["manual", "source_wins", "target_wins"] as const;
/** Adds the request to the merge queue of the target branch; the response is 202. */
const queue = z.literal(true, "must be true, or left out").optional();
const undoFields = {
  strategy: z.enum(undoStrategies).optional().describe("Rule that decides conflicts"),
  message: message.describe("Message of the commit, at most 8 KiB; by default made from the merge"),
  queue: queue.describe(
    "Whether to put it into the queue of a protected branch; the response is then 202 with a merge request",
  ),
  ...decided,
};
const mergeParams = agentParams.extend({ merge_id: id.describe("Id of the merge") });

const mergeErrors = ["merge_conflict", "stale", "workspace_busy"] as const;
/** Errors of protected branches and of their queues. */
const queueErrors = [
  "branch_protected",
  "threads_open",
  "merge_request_open",
  "queue_full",
] as const;
const undoErrors = [
  ...mergeErrors,
  ...queueErrors,
  "already_reverted",
  "merge_gone",
  "sync_not_revertible",
  "tree_too_large",
  ...workspaceErrors,
] as const;

/** Endpoints for a workspace's merges. */
export const mergeCalls = {
  mergesOfProject: endpoint({
    method: "GET",
    path: "/api/v1/projects/{project_id}/merges",
    access: "agent:workspace:read",
    summary:
      "List the merges, reverts, restores and syncs of the project's workspaces, newest first",
    params: projectParams,
    query: page,
    response: z.array(projectMerge),
  }),
  previewMerge: endpoint({
    method: "POST",
    path: "/api/v1/agents/{agent_id}/workspace/merge-preview",
    access: "agent:workspace:read",
    safe: true,
    summary: "Preview the merge; changes nothing",
    status: 200,
    params: agentParams,
    body: mergeRequest.omit({ message: true }).optional(),
    response: merge,
    errors: [...mergeErrors, ...activeErrors, ...folderErrors],
  }),
  createMerge: endpoint({
    method: "POST",
    path: "/api/v1/agents/{agent_id}/workspace/merges",
    access: "agent:workspace:merge",
    summary:
      "Merge the workspace's branch into the target; 200 if there is nothing to merge, 202 if queued",
    status: 201,
    location: "/api/v1/agents/{agent_id}/workspace/merges/{id}",
    params: agentParams,
    body: mergeRequest
      .extend({
        queue: queue.describe(
          "Whether to put it into the queue of a protected branch; the response is then 202 with a merge request",
        ),
      })
      .optional(),
    response: merge,
    accepted: queuedRequest,
    errors: [...mergeErrors, ...queueErrors, "unsaved_changes", ...activeErrors, ...commitErrors],
  }),
  merges: endpoint({
    method: "GET",
    path: "/api/v1/agents/{agent_id}/workspace/merges",
    access: "agent:workspace:read",
    summary: "List the workspace's merges, newest first; all, or those derived from one of them",
    params: agentParams,
    /** Reverts and restores of this merge. */
    query: page.extend({ of_merge: id.optional().describe("Only undos of this merge") }),
    response: z.array(merge),
    errors: workspaceErrors,
  }),
  merge: endpoint({
    method: "GET",
    path: "/api/v1/agents/{agent_id}/workspace/merges/{merge_id}",
    access: "agent:workspace:read",
    summary: "Get a merge with the resolution of each conflict",
    params: mergeParams,
    response: merge,
  }),
  mergeChanges: endpoint({
    method: "GET",
    path: "/api/v1/agents/{agent_id}/workspace/merges/{merge_id}/changes",
    access: "agent:workspace:read",
    summary: "Get the author, the commits and the diff of a merge",
    params: mergeParams,
    response: mergeChanges,
  }),
  mergeConflicts: endpoint({
    method: "GET",
    path: "/api/v1/agents/{agent_id}/workspace/merges/{merge_id}/conflicts",
    access: "agent:workspace:read",
    summary: "List the conflicts of a merge with both versions",
    params: mergeParams,
    response: conflicts,
  }),
  previewConflicts: endpoint({
    method: "POST",
    path: "/api/v1/agents/{agent_id}/workspace/merge-preview/conflicts",
    access: "agent:workspace:read",
    inMaintenance: true,
    summary:
      "List the conflicts of a future merge with both versions, for manual resolution; changes nothing",
    status: 200,
    params: agentParams,
    body: mergeRequest.pick({ target_branch: true }).optional(),
    response: conflicts,
    errors: ["workspace_busy", ...activeErrors, ...folderErrors],
  }),
  sync: endpoint({
    method: "POST",
    path: "/api/v1/agents/{agent_id}/workspace/sync",
    access: "agent:workspace:write",
    summary: "Merge the base branch (source) into the workspace (target) and update its folder",
    status: 201,
    location: "/api/v1/agents/{agent_id}/workspace/merges/{id}",
    params: agentParams,
    body: mergeRequest.omit({ target_branch: true }).optional(),
    response: merge,
    errors: [
      ...mergeErrors,
      "run_in_progress",
      "base_branch_gone",
      "unsaved_changes",
      ...activeErrors,
      ...commitErrors,
    ],
  }),
  revertMerge: endpoint({
    method: "POST",
    path: "/api/v1/agents/{agent_id}/workspace/merges/{merge_id}/revert",
    access: "agent:workspace:merge",
    summary: "Revert a merge by a new commit, even after later merges",
    status: 201,
    location: "/api/v1/agents/{agent_id}/workspace/merges/{id}",
    params: mergeParams,
    body: z.strictObject(undoFields).optional(),
    response: merge,
    accepted: queuedRequest,
    errors: undoErrors,
  }),
  restoreVersion: endpoint({
    method: "POST",
    path: "/api/v1/agents/{agent_id}/workspace/merges/{merge_id}/restore",
    access: "agent:workspace:merge",
    summary: "Restore the losing version of a conflict by a new commit on the target branch",
    status: 201,
    location: "/api/v1/agents/{agent_id}/workspace/merges/{id}",
    params: mergeParams,
    body: z.strictObject({
      paths: restoredPaths,
      ...undoFields,
    }),
    response: merge,
    accepted: queuedRequest,
    errors: undoErrors,
  }),
};
