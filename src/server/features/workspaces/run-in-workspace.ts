import type { Logger } from "pino";
import { AppError } from "../../errors.js";
import { assertFolder, type FolderPlaces } from "#git/worktree/folder-driver.js";
import { checkpointAtEndOfRun } from "./commits/auto-checkpoint.js";
import { activeUnderLock } from "./commits/commit-workspace.js";
import * as queries from "./workspaces.queries.js";
import {
  hasFolder,
  placesOf,
  withFolderErrors,
  workspaceLock,
  type WorkspaceDeps,
} from "./workspace.js";

/** Where a command runs. */
export interface RunPlace {
  folder: string;
  projectId: string;
  /** The agent's. */
  name: string;
  /** Whether it runs in a container there. */
  isDocker: boolean;
  /** The user, and group, that it runs as; null: the sandbox decides. */
  uid: number | null;
}

/**
 * Has work start a command in an agent's workspace, whose folder then belongs to the workspace's own uid,
 * or to `sharedUid`, where workspaces have none of their own. Its lock is held until then: what writes to the folder by its paths is done, and what comes
 * later sees the run.
 * @throws AppError 404 `workspace_missing`; 409 `workspace_not_active`, `workspace_busy`; 410
 */
export function withWorkspaceToRun<Result>(
  deps: WorkspaceDeps,
  orgId: string,
  agentId: string,
  sharedUid: number | null,
  work: (place: RunPlace) => Promise<Result>,
): Promise<Result> {
  return deps.db.locks(orgId, [workspaceLock(agentId)], async () => {
    const workspace = await activeUnderLock(deps, orgId, agentId);
    if (!hasFolder(workspace)) {
      throw new AppError(
        "workspace_remote",
        "The workspace has no folder here for a command to run in; start the run with external: true.",
      );
    }
    const places = placesOf(deps, workspace);
    await withFolderErrors(async () => {
      await places.open();
      await assertFolder(places.folder);
    });
    const uid = sharedUid === null ? null : ((await ownUid(deps, agentId, places)) ?? sharedUid);
    if (uid !== null && uid !== process.getuid?.()) {
      await deps.driver.giveTo(places, { uid, gid: uid });
    }
    const { project_id: projectId, agent_name: name, workspace_type: type } = workspace;
    return work({ folder: places.folder, projectId, name, isDocker: type === "docker", uid });
  });
}

/** The uid that no other workspace has; null where uids are shared. */
async function ownUid(
  { db, driver, runUids }: WorkspaceDeps,
  agentId: string,
  places: FolderPlaces,
): Promise<number | null> {
  if (runUids === null || !(await driver.canChangeOwner(places))) return null;
  return db.withSystem("assign a uid to a workspace", (tx) =>
    queries.assignRunUid(tx, agentId, runUids),
  );
}

/** What became of the checkpoint at the end of a run. */
export interface RunCheckpoint {
  checkpoint_sha: string | null;
  checkpoint_error: string | null;
}

/**
 * Commits what a run left unsaved, once its processes have ended; null where there was nothing to commit
 * or the workspace wants none. It never fails: what kept it from saving is told.
 */
export async function checkpointAfterRun(
  deps: WorkspaceDeps,
  orgId: string,
  agentId: string,
  log: Logger,
): Promise<RunCheckpoint | null> {
  try {
    const { commit, error } = await checkpointAtEndOfRun(deps, orgId, agentId);
    if (!commit && error === null) return null;
    return { checkpoint_sha: commit?.commit_sha ?? null, checkpoint_error: error };
  } catch (error) {
    if (error instanceof AppError) return { checkpoint_sha: null, checkpoint_error: error.message };
    log.error({ err: error, agent: agentId }, "a workspace was not saved after a run");
    const told = "The workspace was not saved; whoever runs the server finds why in its log.";
    return { checkpoint_sha: null, checkpoint_error: told };
  }
}
