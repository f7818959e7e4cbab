import { z } from "zod";
import { commitCalls, diff } from "./commits.js";
import { endpoint } from "../../contract/endpoint.js";
import { agentParams, id, mergeStrategy, page, timestamp } from "../../contract/fields.js";
import { mergeCalls } from "./merges.js";
import { branch } from "./projects.js";
import { activeErrors, commitErrors, folderErrors, workspaceErrors } from "./workspace-errors.js";

const settings = z.strictObject({
  merge_strategy: mergeStrategy,
  auto_checkpoint: z.boolean(),
  /** Interval of automatic commits while `auto_checkpoint` is on; null for never. */
  checkpoint_interval_minutes: z.number().int().nullable(),
  retention_days: z.number().int(),
});

export const workspace = z.strictObject({
  agent_id: id,
  agent_name: z.string(),
  project_id: id,
  /** The agent's folder on the server's disk; null for a remote workspace. */
  working_directory: z.string().nullable(),
  branch_name: z.string(),
  base_branch: z.string(),
  /** A `remote` workspace receives commits only by `git push` to its branch. */
  workspace_type: z.enum(["local", "docker", "remote"]),
  isolation: z.literal("isolated"),
  parent_agent_id: id.nullable(),
  parent_agent_name: z.string().nullable(),
  /** Null while the workspace is being created. */
  parent_commit: z.string().nullable(),
  head_commit: z.string().nullable(),
  /**
   * Current number of commits that its branch has and the base branch lacks, and the reverse; null
   * if either branch is missing.
   */
  ahead: z.number().int().nullable(),
  behind: z.number().int().nullable(),
  status: z.enum(["creating", "active", "merging", "archived", "failed"]),
  error: z.string().nullable(),
  /**
   * The kind of its folder: a mounted overlay of shared files, or a plain checkout; null without a
   * folder.
   */
  folder_driver: z.enum(["overlay", "fuse-overlayfs", "checkout"]).nullable(),
  /**
   * Disk usage of the folder alone; for an overlay, its changes. Null until it is measured, and
   * without a folder.
   */
  disk: z.strictObject({ bytes: z.number(), measured_at: timestamp }).nullable(),
  /** If archived: since when, and until when it can be restored at least. */
  archived_at: timestamp.nullable(),
  retention_ends_at: timestamp.nullable(),
  /** Why the last automatic checkpoint failed; null if it did not. */
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

/** A workspace in a project's list. */
export const workspaceItem = z.strictObject({
  agent_id: id,
  agent_name: z.string(),
  branch_name: z.string(),
  base_branch: z.string(),
  workspace_type: z.enum(["local", "docker", "remote"]),
  status: workspace.shape.status,
  head_commit: z.string().nullable(),
  /** Commits that the base branch lacks; null if either branch is missing. */
  unmerged_commits: z.number().int().nullable(),
  created_at: timestamp,
  updated_at: timestamp,
});
export type WorkspaceItem = z.output<typeof workspaceItem>;

export const workspaces = {
  ofProject: endpoint({
    method: "GET",
    path: "/api/v1/projects/{project_id}/workspaces",
    access: "agent:workspace:read",
    summary: "List the project's workspaces by agent name",
    params: z.strictObject({ project_id: id }),
    query: page,
    response: z.array(workspaceItem),
  }),
  create: endpoint({
    method: "POST",
    path: "/api/v1/agents/{agent_id}/workspace",
    access: "agent:workspace:write",
    summary: "Create the agent's workspace: its own branch, and a folder unless it is remote",
    status: 201,
    location: "/api/v1/agents/{agent_id}/workspace",
    params: agentParams,
    body: z
      .strictObject({
        workspace_type: z.enum(["local", "docker", "remote"]).optional(),
        base_branch: branch.optional(),
        merge_strategy: mergeStrategy.optional(),
      })
      .optional(),
    response: workspace,
    errors: [
      "project_not_ready",
      "agent_terminated",
      "docker_unavailable",
      "workspace_exists",
      "workspace_expired",
      "workspace_not_active",
      "workspace_busy",
      "repository_mismatch",
      ...commitErrors,
    ],
  }),
  get: endpoint({
    method: "GET",
    path: "/api/v1/agents/{agent_id}/workspace",
    access: "agent:workspace:read",
    summary: "Get the agent's workspace",
    params: agentParams,
    response: workspace,
    errors: workspaceErrors,
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
          auto_checkpoint: z.boolean().optional(),
          checkpoint_interval_minutes: z
            .number("must be a number of minutes, or null")
            .int("must be whole minutes")
            .min(1, "must be at least 1 minute")
            .max(1440, "must be at most 1440 minutes (one day)")
            .nullable()
            .optional(),
          retention_days: z.number().int().min(1).max(3650).optional(),
        })
        .optional(),
    }),
    response: workspace,
    errors: workspaceErrors,
  }),
  archive: endpoint({
    method: "DELETE",
    path: "/api/v1/agents/{agent_id}/workspace",
    access: "agent:workspace:write",
    summary: "Archive the workspace: commit unsaved changes, keep the branch, remove the folder",
    params: agentParams,
    errors: ["agent_running", "run_in_progress", ...activeErrors, ...commitErrors],
  }),
  restore: endpoint({
    method: "POST",
    path: "/api/v1/agents/{agent_id}/workspace/restore",
    access: "agent:workspace:write",
    summary: "Restore an archived workspace, without ignored files",
    status: 200,
    params: agentParams,
    response: workspace,
    errors: ["agent_terminated", "workspace_not_archived", "workspace_busy", ...workspaceErrors],
  }),
  changes: endpoint({
    method: "GET",
    path: "/api/v1/agents/{agent_id}/workspace/changes",
    access: "agent:workspace:read",
    summary: "Get the diff to the base branch, including uncommitted changes",
    params: agentParams,
    response: diff,
    errors: ["workspace_busy", ...activeErrors, ...folderErrors],
  }),
  ...commitCalls,
  ...mergeCalls,
};
