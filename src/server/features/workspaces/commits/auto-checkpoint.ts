/** Checkpoints that nobody asks for: at intervals, and at the end of a run. */
import type { Logger } from "pino";
import type { Commit } from "#shared/api/commits.js";
import { AppError } from "../../../errors.js";
import * as checkpoints from "./checkpoints.queries.js";
import { activeUnderLock, commitUnderLock } from "./commit-workspace.js";
import * as queries from "../workspaces.queries.js";
import { hasFolder, workspaceLock, type WorkspaceDeps } from "../workspace.js";

/** What became of a checkpoint: neither where there was nothing to commit. */
export interface Checkpoint {
  commit: Commit | null;
  /** Why the folder could not be committed, as a sentence. */
  error: string | null;
}

/**
 * Commits what a run left unsaved, as a commit of type `checkpoint`: to be called once its processes
 * have ended, however they did. Waits for whoever works in the workspace.
 *
 * Answers the commit; none where nothing had changed, where `auto_checkpoint` is off, where there is no
 * active workspace with a folder here, and where the folder cannot be committed: why is then told, also
 * as the workspace's `checkpoint_error`. Throws an AppError 409 `workspace_busy` where the workspace was
 * held for a minute, and what is a fault of the server.
 */
export function checkpointAtEndOfRun(
  deps: WorkspaceDeps,
  orgId: string,
  agentId: string,
): Promise<Checkpoint> {
  return deps.db.locks(orgId, [workspaceLock(agentId)], () =>
    checkpointUnderLock(deps, orgId, agentId),
  );
}

async function checkpointUnderLock(
  deps: WorkspaceDeps,
  orgId: string,
  agentId: string,
): Promise<Checkpoint> {
  const found = await deps.db.tenant(orgId, (tx) => queries.findWorkspace(tx, agentId));
  if (found?.status !== "active" || !hasFolder(found) || !found.auto_checkpoint) {
    return { commit: null, error: null };
  }
  const workspace = await activeUnderLock(deps, orgId, agentId);
  try {
    const result = await commitUnderLock(deps, workspace, { commit_type: "checkpoint" });
    return { commit: result.created ? result.commit : null, error: null };
  } catch (error) {
    const told =
      error instanceof AppError
        ? { code: error.code, detail: error.message }
        : {
            code: "internal" as const,
            detail: "The checkpoint failed; whoever runs the server finds why in its log.",
          };
    await deps.db.tenant(orgId, (tx) => checkpoints.recordCheckpointError(tx, workspace, told));
    if (error instanceof AppError) return { commit: null, error: told.detail };
    throw error;
  }
}

/** How many are taken up by one process at a time; they are worked on one after the other. */
const batch = 10;

/**
 * Commits what is unsaved in the workspaces whose interval is over. Nothing happens where nothing
 * changed. One that somebody is at work in is left for the next time.
 */
export async function checkpointDue(deps: WorkspaceDeps, log: Logger): Promise<void> {
  const { db } = deps;
  const busy: checkpoints.DueCheckpoint[] = [];
  let taken: checkpoints.DueCheckpoint[];
  do {
    taken = await db.withSystem("find checkpoints that are due", (tx) =>
      checkpoints.claimDueCheckpoints(tx, batch),
    );
    for (const due of taken) {
      const { org_id, agent_id } = due;
      try {
        const wasFree = await db.tryLock(workspaceLock(agent_id), async () => {
          await checkpointUnderLock(deps, org_id, agent_id);
        });
        if (!wasFree) busy.push(due);
      } catch (error) {
        log.error({ err: error, agent_id }, "a scheduled checkpoint failed");
      }
    }
  } while (taken.length === batch);
  for (const due of busy) {
    await db.tenant(due.org_id, (tx) => checkpoints.putBackCheckpoint(tx, due));
  }
}

const lookMs = 5000;

/** Looks every few seconds for checkpoints that are due. `stop` waits for one that is under way. */
export function startCheckpoints(deps: WorkspaceDeps, log: Logger): { stop(): Promise<void> } {
  let looking: Promise<void> | null = null;
  const timer = setInterval(() => {
    looking ??= checkpointDue(deps, log)
      .catch((error: unknown) => log.warn({ err: error }, "no checkpoint was looked for"))
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
