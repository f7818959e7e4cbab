import type { Logger } from "pino";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { allOf } from "#shared/node/all-of.js";
import { hasServerFolder } from "#shared/code/workspace-choices.js";
import type { Database, Queryable } from "../../../db/connection/connect.js";
import { AppError } from "../../../errors.js";
import type { DataProcesses } from "#git/merge/merge.js";
import { AttributesLostError } from "#git/worktree/copied-overlay.js";
import {
  FolderMissingError,
  type WorktreeDriver,
  type WorktreePaths,
} from "#git/worktree/worktree-driver.js";
import { snapshotFolder } from "#git/snapshot/snapshot-folder.js";
import type { Snapshot, SnapshotInput } from "#git/snapshot/snapshot.js";
import {
  DotGitFileError,
  FileTooLargeError,
  FolderTooLargeError,
  MAX_DOT_GIT_BYTES,
  MAX_PATH_BYTES,
  MAX_PATH_DEPTH,
  NestedRepositoryError,
  PathError,
  PathTooLongError,
  UnsafePathError,
} from "#git/files/path-errors.js";
import { countApart } from "#git/store/branches.js";
import type { OrgContext } from "../../../http/requests/request-context.js";
import { MountError, MountInUseError } from "#git/worktree/mounts.js";
import type { UidRange } from "#sandbox/uid-range.js";
import type { Storage } from "../../../data-folder/storage.js";
import type { Jobs } from "../../../jobs/queue.js";
import type { LeakGuard } from "../../identity/api-keys/index.js";
import * as queries from "./workspaces.queries.js";
import type { PlacedRow, WorkspaceRow } from "./workspaces.queries.js";

/** Dependencies of the workspace verbs. */
export interface WorkspaceDeps {
  db: Database;
  storage: Storage;
  jobs: Pick<Jobs, "send">;
  driver: WorktreeDriver;
  /** The uid range of runs, one uid per workspace; null: all runs share the agents' uid. */
  runUids: UidRange | null;
  /** Merge the data of files. */
  dataProcesses: DataProcesses;
  /** Keeps active API keys out of commits. */
  leaks: LeakGuard;
  log: Logger;
}

/** A complete workspace with a head and a folder. */
export type ActiveWorkspace = WorkspaceRow & {
  head_commit: string;
  head_tree: string;
  parent_commit: string;
};

export const workspaceLock = (agentId: string): string => `workspace ${agentId}`;
export const branchLock = (projectId: string, branch: string): string =>
  `branch ${projectId} ${branch}`;
export const branchRef = (branch: string): string => `refs/heads/${branch}`;

/** The workspace fields recorded in the audit log. */
export const auditedFields = [
  "base_branch",
  "parent_agent_id",
  "merge_strategy",
  "auto_checkpoint",
  "checkpoint_interval_minutes",
  "retention_days",
] as const;

/** A workspace as audit target: its agent's id with its branch's name. */
export const auditTarget = ({
  agent_id,
  branch_name,
}: Pick<WorkspaceRow, "agent_id" | "branch_name">) =>
  ({ type: "workspace", id: agent_id, name: branch_name }) as const;

/** Whether it has a folder here; others have only a branch. */
export const hasFolder = ({ workspace_type }: Pick<WorkspaceRow, "workspace_type">): boolean =>
  hasServerFolder(workspace_type);

/** Returns the paths of a workspace's files and repository. */
export function placesOf(deps: Pick<WorkspaceDeps, "storage" | "driver">, workspace: PlacedRow) {
  const { org_id, project_id, agent_id, agent_name } = workspace;
  const places: WorktreePaths = {
    repoPath: deps.storage.repository(org_id, project_id),
    folder: deps.storage.workspace(org_id, agent_name),
    indexFile: deps.storage.workspaceIndex(org_id, agent_id),
    overlay: deps.storage.overlay(org_id, agent_id),
    lowers: deps.storage.projectLayers(org_id, project_id),
  };
  /** Makes the folder available. The caller holds the workspace's lock. */
  return { ...places, open: () => deps.driver.open(places) };
}

/** @throws AppError 404 `workspace_missing`; 410 `workspace_expired` */
export async function requireWorkspace(
  tx: Queryable,
  agentId: string,
): Promise<WorkspaceRow & { status: Exclude<WorkspaceRow["status"], "expired"> }> {
  const workspace = await queries.findWorkspace(tx, agentId);
  if (!workspace) {
    throw new AppError("workspace_missing", "The agent has no workspace yet; create one first.");
  }
  if (workspace.status === "expired") {
    throw new AppError(
      "workspace_expired",
      "The workspace was archived and its retention has ended; create a new one.",
    );
  }
  return { ...workspace, status: workspace.status };
}

/** @throws AppError 404 `workspace_missing`; 409 `workspace_not_active`; 410 `workspace_expired` */
export async function requireActive(tx: Queryable, agentId: string): Promise<ActiveWorkspace> {
  const workspace = await requireWorkspace(tx, agentId);
  const { status, head_commit, head_tree, parent_commit } = workspace;
  if (status !== "active" || head_commit === null || head_tree === null || parent_commit === null) {
    throw new AppError(
      "workspace_not_active",
      status === "creating"
        ? "The workspace is being created; try again in a moment."
        : `The workspace is ${publicStatus(workspace)}; create or restore it first.`,
    );
  }
  return { ...workspace, head_commit, head_tree, parent_commit };
}

/** Returns the folder's driver and size, while a complete one exists. */
function folderOf(row: WorkspaceRow): Pick<Workspace, "folder_driver" | "disk"> {
  const { status, folder_driver, disk_bytes, disk_measured_at } = row;
  if (!hasFolder(row) || status !== "active") {
    return { folder_driver: null, disk: null };
  }
  const isMeasured = disk_bytes !== null && disk_measured_at !== null;
  const disk = isMeasured ? { bytes: disk_bytes, measured_at: disk_measured_at } : null;
  return { folder_driver, disk };
}

/** Returns the public status: transitional states appear as their goal, and merges as `merging`. */
export function publicStatus({
  status,
  is_merging,
}: {
  status: Exclude<WorkspaceRow["status"], "expired">;
  is_merging: boolean;
}): Workspace["status"] {
  if (status === "archiving") return "archived";
  if (status === "restoring") return "creating";
  return status === "active" && is_merging ? "merging" : status;
}

/**
 * Reads a workspace in its API form.
 * @throws AppError 404 `workspace_missing`; 410 `workspace_expired`
 */
export async function readWorkspace(
  deps: WorkspaceDeps,
  context: Pick<OrgContext, "tx">,
  agentId: string,
): Promise<Workspace> {
  const [row, counts] = await context.tx((tx) =>
    allOf(requireWorkspace(tx, agentId), queries.countOperations(tx, agentId)),
  );
  const apart =
    row.head_commit === null
      ? null
      : await countApart(placesOf(deps, row).repoPath, row.head_commit, branchRef(row.base_branch));
  return {
    agent_id: row.agent_id,
    agent_name: row.agent_name,
    project_id: row.project_id,
    working_directory: hasFolder(row) ? placesOf(deps, row).folder : null,
    branch_name: row.branch_name,
    base_branch: row.base_branch,
    workspace_type: row.workspace_type,
    isolation: "isolated",
    parent_agent_id: row.parent_agent_id,
    parent_agent_name: row.parent_agent_name,
    parent_commit: row.parent_commit,
    head_commit: row.head_commit,
    ahead: apart?.ahead ?? null,
    behind: apart?.behind ?? null,
    status: publicStatus(row),
    error: row.error,
    ...folderOf(row),
    archived_at: row.archived_at,
    retention_ends_at: row.retention_ends_at,
    checkpoint_error: checkpointErrorOf(row),
    counts,
    settings: {
      merge_strategy: row.merge_strategy,
      auto_checkpoint: row.auto_checkpoint,
      checkpoint_interval_minutes: row.checkpoint_interval_minutes,
      retention_days: row.retention_days,
    },
    created_at: row.created_at,
    updated_at: row.updated_at,
  };
}

/**
 * Returns the workspace's current content, committed or not, compared with its head; `further` as for
 * a snapshot.
 * @throws AppError 409 when the folder is missing; 422 naming a path
 */
export async function snapshotOf(
  deps: WorkspaceDeps,
  workspace: ActiveWorkspace,
  further: Pick<SnapshotInput, "onChanges" | "onTree" | "keyPrefix"> = {},
): Promise<Snapshot> {
  const parentTree = workspace.head_tree;
  if (!hasFolder(workspace)) return { tree: parentTree, changed: false, skipped: [], tokens: [] };
  return withFolderErrors(() =>
    snapshotFolder({
      ...placesOf(deps, workspace),
      owner: workspace.org_id,
      parentTree,
      ...further,
    }),
  );
}

function checkpointErrorOf(row: WorkspaceRow): Workspace["checkpoint_error"] {
  const { checkpoint_error_code: code, checkpoint_error: detail, checkpoint_failed_at: at } = row;
  return code === null || detail === null || at === null ? null : { code, detail, at };
}

/**
 * Runs work that reads the agent's folder and converts errors about its content into responses that
 * name the path.
 */
export async function withFolderErrors<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof FolderMissingError) {
      throw new AppError(
        "workspace_not_active",
        "The workspace's folder is missing or is not a folder; its commits are safe in its branch.",
      );
    }
    if (error instanceof AttributesLostError) {
      throw new AppError(
        "folder_unavailable",
        "The folder was copied without its extended attributes, so renamed and replaced folders in it would show wrong files; " +
          "its commits are safe in its branch. The operator must restore it with `omoi admin restore`, or copy it again with " +
          "`tar --xattrs --xattrs-include='*'` or `rsync -aHX`.",
      );
    }
    if (error instanceof MountInUseError) {
      throw new AppError(
        "folder_unavailable",
        "A process on the server, such as a shell or an editor, works in the workspace's folder, which has to be mounted anew; " +
          "nothing in it is lost. End the process or leave the folder, and try again.",
      );
    }
    if (error instanceof MountError) {
      throw new AppError(
        "folder_unavailable",
        `The folder cannot be mounted on this machine (${error.message}); nothing in it is lost. ` +
          "The operator must start the server once with the right to mount and OMOI_FOLDER_DRIVER=checkout, which turns all folders into plain files.",
      );
    }
    if (error instanceof NestedRepositoryError) {
      throw new AppError(
        "nested_repository",
        `${JSON.stringify(error.path)} contains a git repository of its own; remove its .git and commit again.`,
        { path: error.path },
      );
    }
    if (error instanceof FileTooLargeError) {
      throw new AppError(
        "file_too_large",
        `${JSON.stringify(error.path)} is larger than 100 MiB; remove it or add it to .gitignore.`,
        { path: error.path },
      );
    }
    if (error instanceof PathTooLongError) {
      throw new AppError(
        "unsafe_path",
        `${JSON.stringify(error.path)} is deeper than ${MAX_PATH_DEPTH} levels or longer than ${MAX_PATH_BYTES} bytes; remove it or add it to .gitignore.`,
        { path: error.path },
      );
    }
    if (error instanceof FolderTooLargeError) {
      throw new AppError(
        "tree_too_large",
        `The folder exceeds the limits of one commit, for example with ${JSON.stringify(error.path)}; remove files or add them to .gitignore.`,
        { path: error.path },
      );
    }
    if (error instanceof DotGitFileError) {
      throw new AppError(
        "unsafe_path",
        `${JSON.stringify(error.path)} is not a regular file of at most ${MAX_DOT_GIT_BYTES / 1024} KiB, so git cannot read it; remove it.`,
        { path: error.path },
      );
    }
    if (error instanceof UnsafePathError || error instanceof PathError) {
      throw new AppError(
        "unsafe_path",
        `git rejects the path ${JSON.stringify(error.path)}; rename or remove it.`,
        { path: error.path },
      );
    }
    throw error;
  }
}
