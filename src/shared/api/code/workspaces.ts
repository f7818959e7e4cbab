import { z } from "zod";
import { commitCalls, diff } from "./commits.js";
import { endpoint } from "../../contract/endpoint.js";
import {
  agentParams,
  id,
  mergeStrategy,
  nullable,
  page,
  projectParams,
  timestamp,
} from "../../contract/fields.js";
import { workspaceTypes } from "../../code/workspace-choices.js";
import { mergeCalls } from "./merges.js";
import { branch } from "./projects.js";
import { activeErrors, commitErrors, folderErrors, workspaceErrors } from "../workspace-errors.js";

const settings = z.strictObject({
  merge_strategy: mergeStrategy.describe("Rule that decides conflicts of its merges"),
  auto_checkpoint: z
    .boolean()
    .describe(
      "Whether unsaved changes are committed before merges, runs and syncs, and at the interval",
    ),
  checkpoint_interval_minutes: nullable.integer.describe(
    "Minutes between automatic commits while `auto_checkpoint` is on; null for none",
  ),
  retention_days: z.int().describe("Days for which an archived workspace can be restored"),
});

export const workspace = z.strictObject({
  agent_id: id.describe("Id of the agent"),
  agent_name: z.string().describe("Name of the agent"),
  project_id: id.describe("Id of the project"),
  working_directory: nullable.string.describe(
    "The agent's folder on the server's disk; null for a workspace without one",
  ),
  branch_name: z.string().describe("Its branch, `workspace-<agent>`"),
  base_branch: z.string().describe("Branch that it started from and merges into by default"),
  workspace_type: z
    .enum(workspaceTypes)
    .describe(
      "`local` and `docker` run commands on the server; those of a `remote` workspace run on a runner or where its clone is, those of a `kubernetes` workspace in Jobs of the cluster",
    ),
  isolation: z.literal("isolated").describe("Always `isolated`: no other agent sees the folder"),
  parent_agent_id: nullable.id.describe(
    "The agent whose state it started from; null for the base branch",
  ),
  parent_agent_name: nullable.string.describe("Name of that agent; null for the base branch"),
  parent_commit: nullable.string.describe(
    "Commit that it started from; null while it is being created",
  ),
  head_commit: nullable.string.describe(
    "Newest commit of its branch; null while it is being created",
  ),
  ahead: nullable.integer.describe(
    "Number of commits that its branch has and the base branch lacks; null if either branch is missing",
  ),
  behind: nullable.integer.describe(
    "Number of commits that the base branch has and its branch lacks; null if either branch is missing",
  ),
  status: z
    .enum(["creating", "active", "merging", "archived", "failed"])
    .describe(
      "`active` for work; `merging` during a merge or a sync; `archived` until it is restored; `failed`: see `error`",
    ),
  error: nullable.string.describe("Why it could not be created, as a sentence; null if it could"),
  folder_driver: z
    .enum(["overlay", "fuse-overlayfs", "checkout"])
    .nullable()
    .describe(
      "Kind of its folder: a mounted overlay of shared files, or a plain checkout; null without a folder",
    ),
  disk: z
    .strictObject({
      bytes: z.number().describe("Size in bytes"),
      measured_at: timestamp.describe("Time of the measurement"),
    })
    .nullable()
    .describe(
      "Disk usage of the folder alone; for an overlay, its changes. Null until it is measured, and without a folder.",
    ),
  archived_at: nullable.timestamp.describe("Time at which it was archived; null if it is not"),
  retention_ends_at: nullable.timestamp.describe(
    "Time until which an archived workspace can be restored at least; null if it is not archived",
  ),
  checkpoint_error: z
    .strictObject({
      code: z.string().describe("Code of the error, see the errors of the API"),
      detail: z.string().describe("What to do, as a sentence"),
      at: timestamp.describe("Time of the attempt"),
    })
    .nullable()
    .describe("Why the last automatic checkpoint failed; null if it did not"),
  counts: z
    .strictObject({
      commits: z.number().describe("Commits of the workspace"),
      merges: z.number().describe("Merges of the workspace"),
      conflicts_resolved: z.number().describe("Conflicts that these merges resolved"),
    })
    .describe("Numbers of what it contains"),
  settings: settings.describe("How it commits, merges and is kept"),
  created_at: timestamp.describe("Time of creation"),
  updated_at: timestamp.describe("Time of the last change"),
});
export type Workspace = z.output<typeof workspace>;

/** A workspace in a project's list. */
export const workspaceItem = z.strictObject({
  agent_id: id.describe("Id of the agent"),
  agent_name: z.string().describe("Name of the agent"),
  branch_name: z.string().describe("Its branch"),
  base_branch: z.string().describe("Branch that it started from and merges into by default"),
  workspace_type: z
    .enum(workspaceTypes)
    .describe(
      "`local` and `docker` run commands on the server, `remote` elsewhere, `kubernetes` in the cluster",
    ),
  status: workspace.shape.status.describe("State of the workspace"),
  head_commit: nullable.string.describe(
    "Newest commit of its branch; null while it is being created",
  ),
  unmerged_commits: nullable.integer.describe(
    "Commits that the base branch lacks; null if either branch is missing",
  ),
  created_at: timestamp.describe("Time of creation"),
  updated_at: timestamp.describe("Time of the last change"),
});
export type WorkspaceItem = z.output<typeof workspaceItem>;

export const workspaces = {
  ofProject: endpoint({
    method: "GET",
    path: "/api/v1/projects/{project_id}/workspaces",
    access: "agent:workspace:read",
    summary: "List the project's workspaces by agent name",
    params: projectParams,
    query: page,
    response: z.array(workspaceItem),
  }),
  create: endpoint({
    method: "POST",
    path: "/api/v1/agents/{agent_id}/workspace",
    access: "agent:workspace:write",
    summary: "Create the agent's workspace: its own branch, and a folder where its type has one",
    status: 201,
    location: "/api/v1/agents/{agent_id}/workspace",
    params: agentParams,
    body: z
      .strictObject({
        workspace_type: z
          .enum(workspaceTypes)
          .optional()
          .describe(
            "`local` (the default) and `docker` run commands on the server, `remote` elsewhere, `kubernetes` in the cluster",
          ),
        base_branch: branch
          .optional()
          .describe("Branch to start from; by default the default branch of the project"),
        merge_strategy: mergeStrategy
          .optional()
          .describe("Rule that decides conflicts; by default `newest_file_wins`"),
      })
      .optional(),
    response: workspace,
    errors: [
      "project_not_ready",
      "agent_terminated",
      "docker_unavailable",
      "kubernetes_unavailable",
      "workspace_exists",
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
      base_branch: branch.optional().describe("New base branch"),
      settings: z
        .strictObject({
          merge_strategy: mergeStrategy
            .optional()
            .describe("Rule that decides conflicts of its merges"),
          auto_checkpoint: z
            .boolean()
            .optional()
            .describe(
              "Whether unsaved changes are committed before merges, runs and syncs, and at the interval",
            ),
          checkpoint_interval_minutes: z
            .number("must be a number of minutes, or null")
            .int("must be whole minutes")
            .min(1, "must be at least 1 minute")
            .max(1440, "must be at most 1440 minutes (one day)")
            .nullish()
            .describe("Minutes between automatic commits, 1 to 1 440; null for none"),
          retention_days: z
            .int()
            .min(1)
            .max(3650)
            .optional()
            .describe("Days for which an archived workspace can be restored, 1 to 3 650"),
        })
        .optional()
        .describe("Changes of the settings; absent ones stay as they are"),
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
