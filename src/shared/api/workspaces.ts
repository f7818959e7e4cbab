import { z } from "zod";
import { commitTypes, mergeStrategies, recordedCommitTypes } from "../workspace-choices.js";
import { endpoint } from "./endpoint.js";
import { id, page, timestamp } from "./fields.js";
import { branch } from "./projects.js";

export const mergeStrategy = z.enum(
  mergeStrategies,
  `must be one of ${mergeStrategies.join(", ")}`,
);
export type MergeStrategy = z.output<typeof mergeStrategy>;

const settings = z.strictObject({
  merge_strategy: mergeStrategy,
  auto_checkpoint: z.boolean(),
  /** How often unsaved work is committed by itself where `auto_checkpoint` is on; null: never. */
  checkpoint_interval_minutes: z.number().int().nullable(),
  retention_days: z.number().int(),
});

export const workspace = z.strictObject({
  agent_id: id,
  agent_name: z.string(),
  project_id: id,
  /** The agent's folder on the server's disk; null of a remote workspace, which has none. */
  working_directory: z.string().nullable(),
  branch_name: z.string(),
  base_branch: z.string(),
  /** To a `remote` one commits come by `git push` to its branch alone. */
  workspace_type: z.enum(["local", "docker", "remote"]),
  isolation: z.literal("isolated"),
  parent_agent_id: id.nullable(),
  parent_agent_name: z.string().nullable(),
  /** Null while the workspace is being made. */
  parent_commit: z.string().nullable(),
  head_commit: z.string().nullable(),
  /**
   * Commits of its branch that the base branch does not have, and the other way round, as of now; null
   * where one of the two is not there.
   */
  ahead: z.number().int().nullable(),
  behind: z.number().int().nullable(),
  status: z.enum(["creating", "active", "merging", "archived", "failed"]),
  error: z.string().nullable(),
  /** How its folder was made, while it has one: mounted over files that are shared, or written out. */
  folder_driver: z.enum(["overlay", "fuse-overlayfs", "checkout"]).nullable(),
  /**
   * What the folder alone takes up on the disk: of an overlay, what differs from the shared files. Null
   * until it is measured, and while there is none.
   */
  disk: z.strictObject({ bytes: z.number(), measured_at: timestamp }).nullable(),
  /** While it is archived: since when, and until when it can be restored at least. */
  archived_at: timestamp.nullable(),
  retention_ends_at: timestamp.nullable(),
  /** Why the last checkpoint that the server made by itself failed; null where it did not. */
  checkpoint_error: z
    .strictObject({ code: z.string(), detail: z.string(), at: timestamp })
    .nullable(),
  counts: z.strictObject({
    commits: z.number(),
    merges: z.number(),
    conflicts_resolved: z.number(),
  }),
  settings,
  created_at: timestamp,
  updated_at: timestamp,
});
export type Workspace = z.output<typeof workspace>;

const commitFields = {
  commit_sha: z.string(),
  commit_type: z.enum(recordedCommitTypes),
  iteration: z.number().int().nullable(),
  files_changed: z.number().int(),
  additions: z.number().int(),
  deletions: z.number().int(),
  message: z.string(),
  created_at: timestamp,
};
export const commit = z.strictObject(commitFields);
export type Commit = z.output<typeof commit>;

/** A file that was not committed, and why: what is neither a file, a folder nor a link. */
const skippedFile = z.strictObject({ path: z.string(), reason: z.string() });

const diffFile = z.strictObject({
  path: z.string(),
  old_path: z.string().nullable(),
  status: z.enum(["added", "modified", "deleted", "renamed", "type_changed"]),
  additions: z.number().int().nullable(),
  deletions: z.number().int().nullable(),
  binary: z.boolean(),
  old_mode: z.string().nullable(),
  new_mode: z.string().nullable(),
  /** Unified hunks with their file headers; null for binary files. */
  patch: z.string().nullable(),
  /** Whether the patch was cut because the file is big. */
  truncated: z.boolean(),
});
export type DiffFile = z.output<typeof diffFile>;

export const diff = z.strictObject({
  files: z.array(diffFile),
  stats: z.strictObject({
    files_changed: z.number().int(),
    additions: z.number().int(),
    deletions: z.number().int(),
  }),
});
export type Diff = z.output<typeof diff>;

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

/**
 * What moved the target branch: a merge of the workspace, what undoes all or a part of one, or a sync,
 * whose source is the base branch and whose target is the workspace's.
 */
export const mergeKinds = ["merge", "revert", "restore", "sync"] as const;

const mergeFields = {
  kind: z.enum(mergeKinds),
  /** The merge that a revert undoes, or that a restore takes the other version from; else null. */
  of_merge: id.nullable(),
  source_branch: z.string(),
  target_branch: z.string(),
  status: z.enum(["clean", "conflict_resolved", "up_to_date"]),
  resolution_strategy: mergeStrategy,
  total_conflicts: z.number().int(),
  conflicts_resolved: z.array(z.string()),
  resolutions: z.array(resolution),
  reverted_by: id.nullable(),
  created_at: timestamp,
};
export const merge = z.strictObject({
  id: id.nullable(),
  merge_commit_sha: z.string().nullable(),
  ...mergeFields,
});
export type Merge = z.output<typeof merge>;

/** A workspace in the list of its project. */
export const workspaceItem = z.strictObject({
  agent_id: id,
  agent_name: z.string(),
  branch_name: z.string(),
  base_branch: z.string(),
  workspace_type: z.enum(["local", "docker", "remote"]),
  status: workspace.shape.status,
  head_commit: z.string().nullable(),
  /** Commits that the base branch does not have; null where either branch is not there. */
  unmerged_commits: z.number().int().nullable(),
  created_at: timestamp,
  updated_at: timestamp,
});
export type WorkspaceItem = z.output<typeof workspaceItem>;

/** A merge in the list of its project, with whose workspace it is of; its resolutions are in the merge. */
export const projectMerge = merge
  .omit({ resolutions: true })
  .extend({ id, agent_id: id, agent_name: z.string() });
export type ProjectMerge = z.output<typeof projectMerge>;

const projectParams = z.strictObject({ project_id: id });

const version = z.strictObject({
  path: z.string(),
  /** Six octal digits, as git writes modes. */
  mode: z.string(),
  /** git's id of the content: the same id is the same content. A submodule's is its commit. */
  oid: z.string(),
  /** Of a symbolic link: what it points to. */
  text: z.string().nullable(),
  /** Why there is no text. */
  omitted: z.enum(["binary", "big", "submodule"]).nullable(),
});
export type FileVersion = z.output<typeof version>;

export const conflict = z.strictObject({
  paths: z.array(z.string()),
  kind: z.string(),
  /** The files of each side; none where that side deleted them. */
  source: z.array(version),
  target: z.array(version),
});
export const conflicts = z.strictObject({
  /** What was merged; before a merge, the source may be a commit that is kept nowhere. */
  source_commit: z.string(),
  target_commit: z.string(),
  conflicts: z.array(conflict),
});
export type Conflicts = z.output<typeof conflicts>;

export const agentParams = z.strictObject({ agent_id: id });
const sha = z.string().regex(/^[0-9a-f]{40}$/, "must be a full commit id");
export const path = z.string("must be a text").min(1, "must not be empty").max(4096, "is too long");

/** One conflict's decision, under any of its paths: a side's version, or content in the place of both. */
export const choice = z
  .strictObject({
    path,
    take: z.enum(["source", "target"], 'must be "source" or "target"').optional(),
    content: z.string("must be a text").optional(),
  })
  .refine(({ take, content }) => (take === undefined) !== (content === undefined), {
    message: "must have either take or content",
  });
export type Choice = z.output<typeof choice>;

const message = z.string("must be a text").min(1).max(8192, "must be at most 8 KiB").optional();

/** What a decision was made on: where something else is there by now, the call is refused as stale. */
const decided = {
  resolutions: z.array(choice, "must be a list").max(10_000).optional(),
  expected_source: sha.optional(),
  expected_target: sha.optional(),
};
const mergeRequest = z.strictObject({
  target_branch: branch.optional(),
  strategy: mergeStrategy.optional(),
  message,
  ...decided,
});

export const undoStrategies = ["manual", "source_wins", "target_wins"] as const;
const undoFields = {
  strategy: z.enum(undoStrategies, `must be one of ${undoStrategies.join(", ")}`).optional(),
  message,
  ...decided,
};
const mergeParams = agentParams.extend({ merge_id: id });

export const workspaces = {
  ofProject: endpoint({
    method: "GET",
    path: "/api/v1/projects/{project_id}/workspaces",
    access: "agent:workspace:read",
    summary: "List the project's workspaces, by the name of their agents",
    params: projectParams,
    query: page,
    response: z.array(workspaceItem),
  }),
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
  create: endpoint({
    method: "POST",
    path: "/api/v1/agents/{agent_id}/workspace",
    access: "agent:workspace:write",
    summary: "Create the agent's workspace: its own branch, and a folder unless it is remote",
    status: 201,
    params: agentParams,
    body: z
      .strictObject({
        workspace_type: z
          .enum(["local", "docker", "remote"], 'must be "local", "docker" or "remote"')
          .optional(),
        base_branch: branch.optional(),
        merge_strategy: mergeStrategy.optional(),
      })
      .optional(),
    response: workspace,
  }),
  get: endpoint({
    method: "GET",
    path: "/api/v1/agents/{agent_id}/workspace",
    access: "agent:workspace:read",
    summary: "Get the agent's workspace",
    params: agentParams,
    response: workspace,
  }),
  update: endpoint({
    method: "PATCH",
    path: "/api/v1/agents/{agent_id}/workspace",
    access: "agent:workspace:write",
    summary: "Change the base branch and the settings",
    params: agentParams,
    body: z.strictObject({
      base_branch: branch.optional(),
      settings: z
        .strictObject({
          merge_strategy: mergeStrategy.optional(),
          auto_checkpoint: z.boolean("must be true or false").optional(),
          checkpoint_interval_minutes: z
            .number("must be a number of minutes, or null")
            .int("must be whole minutes")
            .min(1, "must be at least 1 minute")
            .max(1440, "must be at most 1440 minutes, which is a day")
            .nullable()
            .optional(),
          retention_days: z.number("must be a number").int().min(1).max(3650).optional(),
        })
        .optional(),
    }),
    response: workspace,
  }),
  archive: endpoint({
    method: "DELETE",
    path: "/api/v1/agents/{agent_id}/workspace",
    access: "agent:workspace:write",
    summary: "Archive the workspace: commit what is unsaved, keep the branch, free the folder",
    params: agentParams,
  }),
  restore: endpoint({
    method: "POST",
    path: "/api/v1/agents/{agent_id}/workspace/restore",
    access: "agent:workspace:write",
    summary: "Bring an archived workspace back, without what .gitignore leaves out",
    status: 200,
    params: agentParams,
    response: workspace,
  }),
  changes: endpoint({
    method: "GET",
    path: "/api/v1/agents/{agent_id}/workspace/changes",
    access: "agent:workspace:read",
    summary: "What differs from the base branch, committed or not",
    params: agentParams,
    response: diff,
  }),
  createCommit: endpoint({
    method: "POST",
    path: "/api/v1/agents/{agent_id}/workspace/commits",
    access: "agent:workspace:write",
    summary: "Commit what is in the folder; nothing to commit answers 200 with the newest commit",
    status: 201,
    params: agentParams,
    body: z.strictObject({
      commit_type: z.enum(commitTypes, `must be one of ${commitTypes.join(", ")}`),
      iteration: z.number("must be a number").int().min(1).max(1_000_000).optional(),
      message: z.string("must be a text").min(1).max(8192, "must be at most 8 KiB").optional(),
    }),
    response: z.strictObject({
      ...commitFields,
      created: z.boolean(),
      skipped: z.array(skippedFile),
    }),
  }),
  commits: endpoint({
    method: "GET",
    path: "/api/v1/agents/{agent_id}/workspace/commits",
    access: "agent:workspace:read",
    summary: "The workspace's own commits, newest first; all, or those of one type",
    params: agentParams,
    query: page.extend({
      commit_type: z
        .enum(recordedCommitTypes, `must be one of ${recordedCommitTypes.join(", ")}`)
        .optional(),
    }),
    response: z.array(commit),
  }),
  commit: endpoint({
    method: "GET",
    path: "/api/v1/agents/{agent_id}/workspace/commits/{sha}",
    access: "agent:workspace:read",
    summary: "One of the workspace's own commits",
    params: agentParams.extend({ sha }),
    response: commit,
  }),
  diff: endpoint({
    method: "GET",
    path: "/api/v1/agents/{agent_id}/workspace/commits/{sha}/diff",
    access: "agent:workspace:read",
    summary: "What a commit changed; raw with Accept: text/x-diff",
    params: agentParams.extend({ sha }),
    response: diff,
  }),
  previewMerge: endpoint({
    method: "POST",
    path: "/api/v1/agents/{agent_id}/workspace/merge-preview",
    access: "agent:workspace:read",
    summary: "The merge as it would be; changes nothing",
    status: 200,
    params: agentParams,
    body: mergeRequest.omit({ message: true }).optional(),
    response: merge,
  }),
  createMerge: endpoint({
    method: "POST",
    path: "/api/v1/agents/{agent_id}/workspace/merges",
    access: "agent:workspace:merge",
    summary: "Merge the workspace's branch into the target; 200 when there is nothing to merge",
    status: 201,
    params: agentParams,
    body: mergeRequest.optional(),
    response: merge,
  }),
  merges: endpoint({
    method: "GET",
    path: "/api/v1/agents/{agent_id}/workspace/merges",
    access: "agent:workspace:read",
    summary: "The workspace's merges, newest first; all, or what was made from one of them",
    params: agentParams,
    /** The reverts and restores of this merge. */
    query: page.extend({ of_merge: id.optional() }),
    response: z.array(merge),
  }),
  merge: endpoint({
    method: "GET",
    path: "/api/v1/agents/{agent_id}/workspace/merges/{merge_id}",
    access: "agent:workspace:read",
    summary: "One merge, with what was decided for each conflict",
    params: mergeParams,
    response: merge,
  }),
  mergeConflicts: endpoint({
    method: "GET",
    path: "/api/v1/agents/{agent_id}/workspace/merges/{merge_id}/conflicts",
    access: "agent:workspace:read",
    summary: "What conflicted in a merge, with both versions",
    params: mergeParams,
    response: conflicts,
  }),
  previewConflicts: endpoint({
    method: "POST",
    path: "/api/v1/agents/{agent_id}/workspace/merge-preview/conflicts",
    access: "agent:workspace:read",
    summary: "What would conflict, with both versions, to decide it; changes nothing",
    status: 200,
    params: agentParams,
    body: z.strictObject({ target_branch: branch.optional() }).optional(),
    response: conflicts,
  }),
  sync: endpoint({
    method: "POST",
    path: "/api/v1/agents/{agent_id}/workspace/sync",
    access: "agent:workspace:write",
    summary: "Merge the base branch (source) into the workspace (target); its folder follows",
    status: 201,
    params: agentParams,
    body: mergeRequest.omit({ target_branch: true }).optional(),
    response: merge,
  }),
  revertMerge: endpoint({
    method: "POST",
    path: "/api/v1/agents/{agent_id}/workspace/merges/{merge_id}/revert",
    access: "agent:workspace:merge",
    summary: "Undo a merge by a new commit, also when other merges came later",
    status: 201,
    params: mergeParams,
    body: z.strictObject(undoFields).optional(),
    response: merge,
  }),
  restoreVersion: endpoint({
    method: "POST",
    path: "/api/v1/agents/{agent_id}/workspace/merges/{merge_id}/restore",
    access: "agent:workspace:merge",
    summary: "Put the version that lost a conflict back by a new commit on the target branch",
    status: 201,
    params: mergeParams,
    body: z.strictObject({
      paths: z.array(path, "must be a list of paths").min(1, "must name a path").max(10_000),
      ...undoFields,
    }),
    response: merge,
  }),
};
