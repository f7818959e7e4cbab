/** Automatic checkpoints: at intervals, and at the end of a run. */
import type { Logger } from "pino";
import type { Commit } from "#shared/api/code/commits.js";
import { AppError } from "../../../../errors.js";
import * as checkpoints from "./checkpoints.queries.js";
import { activeUnderLock, commitUnderLock } from "./commit-workspace.js";
import * as queries from "../workspaces.queries.js";
import {
  hasFolder,
  workspaceLock,
  type ActiveWorkspace,
  type WorkspaceDeps,
} from "../workspace.js";

/** The result of a checkpoint; empty when nothing had changed. */
export interface Checkpoint {
  commit: Commit | null;
  /** The reason a folder could not be committed. */
  error: string | null;
}

/**
 * Commits a run's uncommitted changes as a `checkpoint` after its processes have exited. Waits for the
 * workspace's lock.
 *
 * `before` first takes the commits that the run made itself, whatever the settings.
 *
 * Returns no commit when nothing changed, `auto_checkpoint` is off, no active workspace has a folder
 * here, or the folder cannot be committed; the reason is then returned and shown as the workspace's
 * `checkpoint_error`.
 * @throws AppError 409 `workspace_busy` after a minute; any server error
 */
export function checkpointAtEndOfRun(
  deps: WorkspaceDeps,
  orgId: string,
  agentId: string,
  before: ((workspace: ActiveWorkspace) => Promise<void>) | null,
): Promise<Checkpoint> {
  return deps.db.locks(orgId, [workspaceLock(agentId)], () =>
    checkpointUnderLock(deps, orgId, agentId, before),
  );
}

/** Like `checkpointAtEndOfRun`, for the holder of the workspace's lock. */
export async function checkpointUnderLock(
  deps: WorkspaceDeps,
  orgId: string,
  agentId: string,
  before: ((workspace: ActiveWorkspace) => Promise<void>) | null,
): Promise<Checkpoint> {
  const found = await deps.db.tenant(orgId, (tx) => queries.findWorkspace(tx, agentId));
  if (found?.status !== "active" || !hasFolder(found)) return { commit: null, error: null };
  await before?.(await activeUnderLock(deps, orgId, agentId));
  if (!found.auto_checkpoint) return { commit: null, error: null };
  const workspace = await activeUnderLock(deps, orgId, agentId);
  try {
    const { commit } = await commitUnderLock(deps, workspace, { commit_type: "checkpoint" });
    return { commit, error: null };
  } catch (error) {
    const failure =
      error instanceof AppError
        ? { code: error.code, detail: error.message }
        : {
            code: "internal" as const,
            detail: "The checkpoint failed; the operator can find the cause in the server's log.",
          };
    await deps.db.tenant(orgId, (tx) => checkpoints.recordCheckpointError(tx, workspace, failure));
    if (error instanceof AppError) return { commit: null, error: failure.detail };
    throw error;
  }
}

/** Checkpoints claimed at a time by one process and made one after another. */
const batch = 10;

/** Checkpoints made at the same time: a slow folder must not hold up all others. */
const AT_ONCE = 2;

/** Takes the commits of the run that is in progress in a workspace, if any. Never throws. */
export type TakeRunCommits = (workspace: ActiveWorkspace) => Promise<void>;

/**
 * Makes the checkpoints of this node that are due. Unchanged workspaces get none; busy ones are tried again next
 * time. During maintenance only the work of runs is saved.
 */
export async function runDueCheckpoints(
  deps: WorkspaceDeps,
  log: Logger,
  takeCommits: TakeRunCommits,
): Promise<void> {
  const { db } = deps;
  const busy: checkpoints.DueCheckpoint[] = [];
  let taken: checkpoints.DueCheckpoint[];
  do {
    const onlyRuns = (await db.maintenance()) !== null;
    taken = await db.withSystem("claim due checkpoints", (tx) =>
      checkpoints.claimDueCheckpoints(tx, db.node.id, batch, onlyRuns),
    );
    // An iterator shared by a few workers.
    const left = taken.values();
    const work = async (): Promise<void> => {
      for (const due of left) {
        const { org_id, agent_id } = due;
        try {
          const wasFree = await db.tryLock(workspaceLock(agent_id), async () => {
            await checkpointUnderLock(deps, org_id, agent_id, takeCommits);
          });
          if (!wasFree) busy.push(due);
        } catch (error) {
          log.error({ err: error, agent_id }, "a scheduled checkpoint failed");
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  } while (taken.length === batch);
  for (const due of busy) {
    await db.tenant(due.org_id, (tx) => checkpoints.releaseCheckpoint(tx, due));
  }
}

const lookMs = 5000;

/** Checks every few seconds for due checkpoints. `stop` waits for those in progress. */
export function startCheckpoints(
  deps: WorkspaceDeps,
  log: Logger,
  takeCommits: TakeRunCommits,
): { stop(): Promise<void> } {
  let looking: Promise<void> | null = null;
  const timer = setInterval(() => {
    looking ??= runDueCheckpoints(deps, log, takeCommits)
      .catch((error: unknown) => log.warn({ err: error }, "cannot find due checkpoints"))
      .finally(() => {
        looking = null;
      });
  }, lookMs);
  timer.unref();
  return {
    stop: async () => {
      clearInterval(timer);
      await looking;
    },
  };
}
