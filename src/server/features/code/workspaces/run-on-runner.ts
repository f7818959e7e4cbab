/** Remote workspaces, whose runs a runner executes. */
import type { Queryable } from "../../../db/connection/connect.js";
import { AppError } from "../../../errors.js";
import { activeUnderLock } from "./commits/commit-workspace.js";
import { readSharedCommits } from "./run-repository/export-branches.js";
import {
  hasFolder,
  requireActive,
  workspaceLock,
  type ActiveWorkspace,
  type WorkspaceDeps,
} from "./workspace.js";

/** @throws AppError 404 `workspace_missing`; 409 `workspace_not_active`; 410 `workspace_expired` */
export async function requireRemote(tx: Queryable, agentId: string): Promise<ActiveWorkspace> {
  return rejectFolder(await requireActive(tx, agentId));
}

/** What a run starts from. */
export interface RemotePlace {
  workspace: ActiveWorkspace;
  /** The commit of the base branch; null if it is missing. */
  baseCommit: string | null;
  defaultBranch: string;
  /** Null if the branch is missing. */
  defaultCommit: string | null;
}

/**
 * Runs work under the lock of a remote workspace.
 * @throws AppError as `requireRemote`; 409 `workspace_busy`
 */
export function withRemoteWorkspace<Result>(
  deps: WorkspaceDeps,
  orgId: string,
  agentId: string,
  work: (place: RemotePlace) => Promise<Result>,
): Promise<Result> {
  return deps.db.locks(orgId, [workspaceLock(agentId)], async () => {
    const workspace = rejectFolder(await activeUnderLock(deps, orgId, agentId));
    const shared = await readSharedCommits(deps, workspace);
    const { baseCommit, defaultBranch, defaultCommit } = shared;
    return work({ workspace, baseCommit, defaultBranch, defaultCommit });
  });
}

function rejectFolder(workspace: ActiveWorkspace): ActiveWorkspace {
  if (!hasFolder(workspace)) return workspace;
  throw new AppError(
    "workspace_not_active",
    "The workspace was created again with a folder on the server; start the run again.",
  );
}
