import { z } from "zod";
import { commitCalls } from "./commits.js";
import { diff } from "./diffs.js";
import { endpoint } from "../contract/endpoint.js";
import { agentParams, id, page, timestamp } from "../contract/fields.js";
import { mergeCalls, mergeStrategy } from "./merges.js";
import { branch } from "./projects.js";

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

export const workspaces = {
  ofProject: endpoint({
    method: "GET",
    path: "/api/v1/projects/{project_id}/workspaces",
    access: "agent:workspace:read",
    summary: "List the project's workspaces, by the name of their agents",
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
    params: agentParams,
    body: z
      .strictObject({
        workspace_type: z.enum(["local", "docker", "remote"]).optional(),
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
          auto_checkpoint: z.boolean().optional(),
          checkpoint_interval_minutes: z
            .number("must be a number of minutes, or null")
            .int("must be whole minutes")
            .min(1, "must be at least 1 minute")
            .max(1440, "must be at most 1440 minutes, which is a day")
            .nullable()
            .optional(),
          retention_days: z.number().int().min(1).max(3650).optional(),
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
  ...commitCalls,
  ...mergeCalls,
};
