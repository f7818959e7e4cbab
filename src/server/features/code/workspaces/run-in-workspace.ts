import type { Logger } from "pino";
import type { PreparedRepository } from "#execution/scripts/prepare-repository.js";
import type { RunScript } from "#execution/scripts/run-script.js";
import { AppError } from "../../../errors.js";
import { assertFolder, type WorktreePaths } from "#git/worktree/worktree-driver.js";
import { explainMissingLayer } from "../../execution/environments/index.js";
import { attachEnvironment } from "./attach-environment.js";
import { checkpointAtEndOfRun, checkpointUnderLock } from "./commits/auto-checkpoint.js";
import { activeUnderLock } from "./commits/commit-workspace.js";
import { openHome } from "./homes.js";
import { prepareWorkspaceRepository } from "./run-repository/prepare-workspace-repository.js";
import { resolveTaking } from "./run-repository/take-work.js";
import { takeCommits, type CommitSource, type Taking } from "./run-repository/take-commits.js";
import * as queries from "./workspaces.queries.js";
import {
  hasFolder,
  placesOf,
  withFolderErrors,
  workspaceLock,
  type ActiveWorkspace,
  type WorkspaceDeps,
} from "./workspace.js";

/** Where a command runs. */
export interface RunPlace {
  folder: string;
  /** The agent's home, which belongs to the uid, too. */
  home: string;
  projectId: string;
  /** The agent's name. */
  name: string;
  /** Whether the command runs in a container. */
  isDocker: boolean;
  /** The uid and gid it runs as; null lets the sandbox decide. */
  uid: number | null;
  /** Whether the layer of its environment is still being built, for which a run waits. */
  isWaiting: boolean;
  /** Why the workspace lacks the layer of its environment, for the log; null if it does not. */
  environmentProblem: string | null;
  /** The head of the workspace's branch. */
  head: string;
  /** Makes or updates the repository in the folder, as its branch is now; see `prepareWorkspaceRepository`. */
  prepareRepository(runScript: RunScript, taken: readonly string[]): Promise<PreparedRepository>;
}

/**
 * Starts a command in an agent's workspace, whose folder then belongs to the workspace's own uid, or to
 * `sharedUid` without own uids. The lock is held until it has started: earlier operations have finished
 * writing, and later ones see the run.
 * @param before called first; returns whether it has done anything
 * @throws AppError 404 `workspace_missing`; 409 `workspace_not_active`, `workspace_busy`; 410
 */
export function withWorkspaceToRun<Result>(
  deps: WorkspaceDeps,
  orgId: string,
  agentId: string,
  sharedUid: number | null,
  before: (workspace: ActiveWorkspace) => Promise<boolean>,
  work: (place: RunPlace) => Promise<Result>,
): Promise<Result> {
  return deps.db.locks(orgId, [workspaceLock(agentId)], async () => {
    let workspace = await activeUnderLock(deps, orgId, agentId);
    if (await before(workspace)) workspace = await activeUnderLock(deps, orgId, agentId);
    if (!hasFolder(workspace)) {
      const cure =
        workspace.workspace_type === "kubernetes"
          ? "start a run, which the cluster executes"
          : "start the run with external: true";
      throw new AppError(
        "workspace_remote",
        `The workspace has no folder on this server for a command to run in; ${cure}.`,
      );
    }
    const places = placesOf(deps, workspace);
    await withFolderErrors(async () => {
      await places.open();
      await assertFolder(places.folder);
    });
    const { isWaiting, build } = await withFolderErrors(() => attachEnvironment(deps, workspace));
    const uid = await uidOf(deps, agentId, places, sharedUid);
    if (uid !== null && uid !== process.getuid?.()) {
      await withFolderErrors(() => deps.driver.changeOwner(places, { uid, gid: uid }));
    }
    const home = await openHome(deps, [orgId, agentId], uid);
    const { project_id: projectId, agent_name: name, workspace_type: type } = workspace;
    const { folder } = places;
    const environmentProblem =
      isWaiting || build !== null || type === "docker"
        ? null
        : await deps.db.read(orgId, (tx) => explainMissingLayer(tx, workspace));
    return work({
      folder,
      home,
      projectId,
      name,
      isDocker: type === "docker",
      uid,
      isWaiting,
      environmentProblem,
      head: workspace.head_commit,
      prepareRepository: (runScript, taken) =>
        prepareWorkspaceRepository(deps, workspace, { folder, uid }, runScript, taken),
    });
  });
}

/** Returns the uid of commands in a workspace. */
async function uidOf(
  deps: WorkspaceDeps,
  agentId: string,
  places: WorktreePaths,
  sharedUid: number | null,
): Promise<number | null> {
  return sharedUid === null ? null : ((await ownUid(deps, agentId, places)) ?? sharedUid);
}

/** Returns the workspace's own uid; null when uids are shared. */
async function ownUid(
  { db, driver, runUids }: WorkspaceDeps,
  agentId: string,
  places: WorktreePaths,
): Promise<number | null> {
  if (runUids === null || !(await driver.canChangeOwner(places))) return null;
  return db.withSystem("assign a uid to a workspace", (tx) =>
    queries.assignRunUid(tx, agentId, runUids),
  );
}

/** Where the commits of a run come from; the rest is found under the workspace's lock. */
export interface RunCommits extends Omit<CommitSource, "place" | "tip" | "hasEnded"> {
  sharedUid: number | null;
  /**
   * Returns `CommitSource.tip`, and what a server that has ended was taking; null without a repository, or if a
   * later run has used it.
   */
  findTip: () => Promise<{ tip: string; taking: Taking | null } | null>;
}

/** The result of the checkpoint at the end of a run. */
export interface RunCheckpoint {
  checkpoint_sha: string | null;
  checkpoint_error: string | null;
}

/**
 * Takes the commits that a run made in its repository, then commits its uncommitted changes, after its
 * processes have exited; null when there are none or checkpoints are off. A failure is returned or, for the
 * commits, recorded.
 * @param isLocked whether the caller holds the workspace's lock
 * @throws AppError 503 `home_unavailable` while the node may not write: the workspace is saved later
 */
export async function checkpointAfterRun(
  deps: WorkspaceDeps,
  orgId: string,
  agentId: string,
  log: Logger,
  commits: RunCommits | null,
  isLocked = false,
): Promise<RunCheckpoint | null> {
  let isTaken = false;
  const take =
    commits &&
    ((workspace: ActiveWorkspace) => {
      isTaken = true;
      return takeAfterRun(deps, workspace, commits, log);
    });
  try {
    const checkpoint = isLocked ? checkpointUnderLock : checkpointAtEndOfRun;
    const { commit, error } = await checkpoint(deps, orgId, agentId, take);
    if (!commit && error === null) return null;
    return { checkpoint_sha: commit?.commit_sha ?? null, checkpoint_error: error };
  } catch (error) {
    if (error instanceof AppError && error.code === "home_unavailable") throw error;
    if (commits !== null && !isTaken) await recordUntaken(deps, orgId, commits, error, log);
    if (error instanceof AppError) return { checkpoint_sha: null, checkpoint_error: error.message };
    log.error({ err: error, agent: agentId }, "cannot make the checkpoint after a run");
    const detail = "The checkpoint failed; the operator can find the cause in the server's log.";
    return { checkpoint_sha: null, checkpoint_error: detail };
  }
}

/** The files are committed even if the commits cannot be taken. */
async function takeAfterRun(
  deps: WorkspaceDeps,
  workspace: ActiveWorkspace,
  commits: RunCommits,
  log: Logger,
): Promise<void> {
  const { org_id, agent_id } = workspace;
  try {
    await takeFrom(deps, workspace, commits, true);
  } catch (error) {
    log.error({ err: error, agent: agent_id }, "cannot take the commits of a run");
    await recordUntaken(deps, org_id, commits, error, log);
  }
}

/**
 * Takes the commits of a run that goes on, before a checkpoint, for the holder of the workspace's lock.
 * Never throws: what was not taken is taken later.
 */
export async function takeDuringRun(
  deps: WorkspaceDeps,
  workspace: ActiveWorkspace,
  commits: RunCommits,
  log: Logger,
): Promise<void> {
  try {
    await takeFrom(deps, workspace, commits, false);
  } catch (error) {
    const fields = { err: error, agent: workspace.agent_id };
    log.warn(fields, "the commits of a run will be taken later");
  }
}

async function takeFrom(
  deps: WorkspaceDeps,
  workspace: ActiveWorkspace,
  { sharedUid, findTip, ...source }: RunCommits,
  hasEnded: boolean,
): Promise<void> {
  const places = placesOf(deps, workspace);
  await withFolderErrors(() => places.open());
  const found = await findTip();
  if (found === null) return;
  const tip = await resolveTaking(deps, workspace, found, source);
  const uid = await uidOf(deps, workspace.agent_id, places, sharedUid);
  const place = { folder: places.folder, uid };
  await takeCommits(deps, workspace, { ...source, tip, hasEnded, place });
}

/** Records why the commits of a run were not taken. Never throws. */
async function recordUntaken(
  deps: WorkspaceDeps,
  orgId: string,
  source: Pick<CommitSource, "record">,
  reason: unknown,
  log: Logger,
): Promise<void> {
  const error =
    reason instanceof AppError
      ? `Its commits were not taken: ${reason.message}`
      : "Its commits were not taken; the operator can find the cause in the server's log.";
  try {
    await deps.db.tenant(orgId, (tx) =>
      source.record(tx, { tip: null, commits: 0, diverged: [], error }),
    );
  } catch (failure) {
    log.error({ err: failure }, "cannot record that the commits of a run were not taken");
  }
}
