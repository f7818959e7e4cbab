import { z } from "zod";
import { mergeDriverNames } from "../../merge-drivers.js";
import { endpoint } from "../../contract/endpoint.js";
import {
  agentParams,
  commitId,
  id,
  mergeStrategy,
  page,
  timestamp,
} from "../../contract/fields.js";
import { diff } from "./commits.js";
import { mergeRequest as queuedRequest } from "./merge-requests.js";
import { branch } from "./projects.js";
import { activeErrors, commitErrors, folderErrors, workspaceErrors } from "./workspace-errors.js";

export type MergeStrategy = z.output<typeof mergeStrategy>;

const resolution = z.strictObject({
  paths: z.array(z.string()),
  kind: z.string(),
  winner: z.enum(["source", "target", "merged"]),
  /** Why it won, in one sentence. */
  rule: z.string(),
  source_time: timestamp.nullable(),
  target_time: timestamp.nullable(),
  loser_ref: z.string().nullable(),
});

/** A file that both sides changed and that a merge driver of the project applied to. */
export const driverFile = z.strictObject({
  path: z.string(),
  driver: z.enum(mergeDriverNames),
  /**
   * `merged` by the driver; `conflict`, decided by the strategy; `lines`: the driver does not apply, and
   * git merged the lines; or, in a preview, `pending`: the merge will run the command.
   */
  result: z.enum(["merged", "conflict", "lines", "pending"]),
  /** Why the driver did not merge the file, in one sentence. */
  reason: z.string().nullable(),
  /** The command of the driver `regenerate`. */
  command: z.array(z.string()).optional(),
  /** The run of that command, with its log; null until it has run. */
  run_id: id.nullable().optional(),
});
export type DriverFile = z.output<typeof driverFile>;

/**
 * The operation that moved the target branch: a merge of the workspace, an undo of all or part of
 * one, or a sync, whose source is the base branch and whose target is the workspace's branch.
 */
export const mergeKinds = ["merge", "revert", "restore", "sync"] as const;

const mergeFields = {
  kind: z.enum(mergeKinds),
  /**
   * The merge that a revert undoes, or whose losing version a restore brings back; otherwise null.
   */
  of_merge: id.nullable(),
  source_branch: z.string(),
  target_branch: z.string(),
  status: z.enum(["clean", "conflict_resolved", "up_to_date"]),
  resolution_strategy: mergeStrategy,
  total_conflicts: z.number().int(),
  conflicts_resolved: z.array(z.string()),
  resolutions: z.array(resolution),
  driver_files: z.array(driverFile),
  reverted_by: id.nullable(),
  created_at: timestamp,
};
export const merge = z.strictObject({
  id: id.nullable(),
  merge_commit_sha: z.string().nullable(),
  /** The first line of its message; null if nothing was merged, and for merges of Omoi 0.1. */
  subject: z.string().nullable(),
  ...mergeFields,
});
export type Merge = z.output<typeof merge>;

/** A merge in a project's list, with its agent and without resolutions. */
export const projectMerge = merge
  .omit({ resolutions: true, driver_files: true })
  .extend({ id, agent_id: id, agent_name: z.string() });
export type ProjectMerge = z.output<typeof projectMerge>;

const version = z.strictObject({
  path: z.string(),
  /** Six octal digits in git's notation. */
  mode: z.string(),
  /**
   * The git object id of the content: equal ids mean equal content. For a submodule, its commit.
   */
  oid: z.string(),
  /** For a symbolic link, its target. */
  text: z.string().nullable(),
  /** Why there is no text. */
  omitted: z.enum(["binary", "big", "submodule"]).nullable(),
});
export type FileVersion = z.output<typeof version>;

/** Which lines a conflict hunk takes; `both` takes the target's and then the source's. */
export const hunkTakes = ["source", "target", "both"] as const;
export type HunkTake = (typeof hunkTakes)[number];

/** A part of a merged text: lines that git merged, or a conflict hunk with the lines of both sides. */
const segment = z.union([
  z.strictObject({ text: z.string() }),
  z.strictObject({ target: z.string(), source: z.string() }),
]);
export const mergedText = z.strictObject({
  /** The path of the text, one of the conflict's. */
  path: z.string(),
  segments: z.array(segment),
});
export type MergedText = z.output<typeof mergedText>;

export const conflict = z.strictObject({
  paths: z.array(z.string()),
  kind: z.string(),
  /** The files of each side; empty if that side deleted them. */
  source: z.array(version),
  target: z.array(version),
  /**
   * git's merged text with at least one conflict hunk. Null for files that are deleted, moved, binary
   * or large, and for links and submodules.
   */
  merged: mergedText.nullable(),
});
export const conflicts = z.strictObject({
  /** The merged commits; in a preview, the source may be a commit that is not stored. */
  source_commit: z.string(),
  target_commit: z.string(),
  conflicts: z.array(conflict),
});
export type Conflicts = z.output<typeof conflicts>;

/** Maximum number of commits that `mergeChanges` lists. */
export const maxMergedCommits = 250;

export const mergeChanges = z.strictObject({
  /** The author of the merge: a user, an agent, or the server itself. */
  author: z.strictObject({ type: z.enum(["user", "agent", "system"]), name: z.string() }),
  /** The commits that the merge brought into the target, newest first; at most 250. */
  commits: z
    .array(
      z.strictObject({
        sha: z.string(),
        subject: z.string(),
        author_name: z.string(),
        /** When the server received it; for imported commits, their own date. */
        at: timestamp,
      }),
    )
    .max(maxMergedCommits),
  has_more_commits: z.boolean(),
  /** The change of the target branch. */
  diff,
});
export type MergeChanges = z.output<typeof mergeChanges>;

export const path = z.string().min(1).max(4096, "is too long");

/**
 * The resolution of one conflict, named by any of its paths: one side's version, new content, or the
 * lines of each hunk of the merged text, in their order.
 */
export const choice = z
  .strictObject({
    path,
    take: z.enum(["source", "target"]).optional(),
    content: z.string().optional(),
    hunks: z
      .array(z.strictObject({ take: z.enum(hunkTakes) }))
      .min(1)
      .max(100_000)
      .optional(),
  })
  .refine(
    ({ take, content, hunks }) =>
      [take, content, hunks].filter((given) => given !== undefined).length === 1,
    { message: "must have one of take, content and hunks" },
  );
export type Choice = z.output<typeof choice>;

const message = z.string().min(1).max(8192, "must be at most 8 KiB").optional();

/** The state that the decisions refer to: if the branches have moved, the call fails as stale. */
const decided = {
  resolutions: z.array(choice).max(10_000).optional(),
  expected_source: commitId.optional(),
  expected_target: commitId.optional(),
};
const mergeRequest = z.strictObject({
  target_branch: branch.optional(),
  strategy: mergeStrategy.optional(),
  message,
  ...decided,
});

export const undoStrategies = ["manual", "source_wins", "target_wins"] as const;
/** Adds the request to the merge queue of the target branch; the response is 202. */
const queue = z.literal(true, "must be true, or left out").optional();
const undoFields = {
  strategy: z.enum(undoStrategies).optional(),
  message,
  queue,
  ...decided,
};
const mergeParams = agentParams.extend({ merge_id: id });

const mergeErrors = ["merge_conflict", "stale", "workspace_busy"] as const;
/** Errors of protected branches and of their queues. */
const queueErrors = ["branch_protected", "merge_request_open", "queue_full"] as const;
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
    params: z.strictObject({ project_id: id }),
    query: page,
    response: z.array(projectMerge),
  }),
  previewMerge: endpoint({
    method: "POST",
    path: "/api/v1/agents/{agent_id}/workspace/merge-preview",
    access: "agent:workspace:read",
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
    params: agentParams,
    body: mergeRequest.extend({ queue }).optional(),
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
    query: page.extend({ of_merge: id.optional() }),
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
    summary:
      "List the conflicts of a future merge with both versions, for manual resolution; changes nothing",
    status: 200,
    params: agentParams,
    body: z.strictObject({ target_branch: branch.optional() }).optional(),
    response: conflicts,
    errors: ["workspace_busy", ...activeErrors, ...folderErrors],
  }),
  sync: endpoint({
    method: "POST",
    path: "/api/v1/agents/{agent_id}/workspace/sync",
    access: "agent:workspace:write",
    summary: "Merge the base branch (source) into the workspace (target) and update its folder",
    status: 201,
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
    params: mergeParams,
    body: z.strictObject({
      paths: z.array(path, "must be a list of paths").min(1, "must name a path").max(10_000),
      ...undoFields,
    }),
    response: merge,
    accepted: queuedRequest,
    errors: undoErrors,
  }),
};
