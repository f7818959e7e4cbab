/** Merges into one branch that were requested at the same time. */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Merge } from "#shared/api/code/merges.js";
import { setTimeout as pause } from "node:timers/promises";
import { RefMovedError } from "#git/store/refs.js";
import { resolveCommit } from "#git/store/repository.js";
import type { TryMore } from "../../../../db/locks/locks.js";
import type { OrgContext } from "../../../../http/requests/request-context.js";
import { AppError, workspaceBusy } from "../../../../errors.js";
import { activeUnderLock } from "../commits/commit-workspace.js";
import { requireUnprotected } from "../branch-rules/protection.js";
import {
  branchLock,
  branchRef,
  placesOf,
  requireActive,
  workspaceLock,
  type ActiveWorkspace,
  type WorkspaceDeps,
} from "../workspace.js";
import {
  applyMerge,
  applyMerges,
  MergeRefusedError,
  retryOnRefMoved,
  type MergeToApply,
  type PreparedMerge,
} from "./apply-merge.js";
import type { RegenerationRules } from "./planning/regenerate-files.js";
import { prepareDisjointMerge, prepareMerge, type MergeRequest } from "./prepare-merge.js";

/** A merge that was requested. */
export interface AskedMerge {
  context: OrgContext;
  agentId: string;
  branch: string;
  request: MergeRequest;
  regeneration: RegenerationRules;
}

/** A merge that waits for its branch. */
interface WaitingMerge {
  asked: AskedMerge;
  /** The time (`performance.now()`) at which it is refused. */
  until: number;
  /** Runs work on behalf of the request. */
  inContext: <Result>(work: () => Promise<Result>) => Promise<Result>;
  resolve: (merge: Merge) => void;
  reject: (error: unknown) => void;
}

/** A merge whose locks are held. */
interface ReadyMerge extends WaitingMerge {
  workspace: ActiveWorkspace;
}

type GroupedMerge = ReadyMerge & MergeToApply;

/** Maximum number of merges that land together, and of those that wait for a branch. */
const MAX_GROUP = 8;
const MAX_WAITING = 200;
/** Maximum wait, and the pause after which a lock is tried again, in milliseconds. */
const MAX_WAIT_MS = 60_000;
const RETRY_MS = 200;

/** The waiting merges of each branch in this process, by the branch's lock. */
const lines = new Map<string, WaitingMerge[]>();

/**
 * Makes a merge when the branch is free, together with others that wait for it in this process. Merges
 * of different files land by one move of the branch, in their order: each by a commit of its own on top
 * of the one before, as if they had landed one after another.
 * @throws AppError as `mergeWorkspace`; 409 `workspace_busy`
 */
export function mergeTogether(
  deps: WorkspaceDeps,
  projectId: string,
  asked: AskedMerge,
  until = performance.now() + MAX_WAIT_MS,
): Promise<Merge> {
  const lock = branchLock(projectId, asked.branch);
  return new Promise((resolve, reject) => {
    const waiting = { asked, until, inContext: AsyncLocalStorage.snapshot(), resolve, reject };
    const line = lines.get(lock);
    if (line === undefined) {
      const own = [waiting];
      lines.set(lock, own);
      void serve(deps, projectId, lock, own);
    } else if (line.length < MAX_WAITING) line.push(waiting);
    else reject(workspaceBusy(`${MAX_WAITING} merges into the branch are already waiting`));
  });
}

/** Makes the merges of a line until none is left; between two groups, others get the branch. */
async function serve(
  deps: WorkspaceDeps,
  projectId: string,
  lock: string,
  line: WaitingMerge[],
): Promise<void> {
  for (let first = line[0]; first !== undefined; first = line[0]) {
    const { asked, inContext } = first;
    try {
      await inContext(() =>
        deps.db.locks(asked.context.orgId, [lock], (tryMore) =>
          mergeGroup(deps, projectId, line, tryMore),
        ),
      );
    } catch (error) {
      // The branch was not free in time, or the database is not available.
      const isBusy = error instanceof AppError && error.code === "workspace_busy";
      const now = performance.now();
      const [late, others] = [line.splice(0), [] as WaitingMerge[]];
      for (const waiting of late) {
        if (isBusy && waiting.until > now) others.push(waiting);
        else waiting.reject(error);
      }
      line.push(...others);
      if (others.length > 0) await pause(RETRY_MS);
    }
  }
  lines.delete(lock);
}

/**
 * Merges the first one of a line and those after it that change other files, and puts the rest back. A
 * merge whose result depends on more than the files is made alone: it may take long, and must not hold
 * the workspaces of others.
 */
async function mergeGroup(
  deps: WorkspaceDeps,
  projectId: string,
  line: WaitingMerge[],
  tryMore: TryMore,
): Promise<void> {
  const [first] = await takeReady(deps, projectId, line, 1, tryMore);
  if (first === undefined) return;
  const { asked, workspace, inContext, resolve, reject } = first;
  let prepared: Awaited<ReturnType<typeof prepare>>;
  try {
    prepared = await inContext(() => prepare(deps, asked, workspace));
  } catch (error) {
    return reject(error);
  }
  if ("upToDate" in prepared) return resolve(prepared.upToDate);
  const group: GroupedMerge[] = [{ ...first, context: asked.context, prepared }];
  if (prepared.row.status === "clean" && line.length > 0) {
    // On an error they are in the line again.
    const others = await takeReady(deps, projectId, line, MAX_GROUP - 1, tryMore).catch(() => []);
    for (const next of others) {
      const target = group.at(-1)?.prepared.row.merge_commit as string;
      const further = await next.inContext(() => prepareOn(deps, next, target));
      if (further === null) break;
      group.push({ ...next, context: next.asked.context, prepared: further });
    }
    line.unshift(...others.slice(group.length - 1));
  }
  try {
    const done = await inContext(() => applyMerges(deps, group));
    for (const [index, merge] of done.entries()) group[index]?.resolve(merge);
  } catch (error) {
    const others = group.slice(1);
    if (error instanceof RefMovedError) {
      line.unshift(...others);
      await inContext(() => mergeUnderLocks(deps, asked, workspace)).then(resolve, reject);
    } else if (error instanceof MergeRefusedError) {
      for (const [refused, cause] of error.refused) (refused as GroupedMerge).reject(cause);
      line.unshift(...group.filter((merge) => !error.refused.has(merge)));
    } else for (const failed of group) failed.reject(error);
  }
}

/**
 * Takes up to `most` merges from a line and returns those that can be made now, in their order. If
 * another operation has the lock of a workspace, or has left work in it to recover, its merge goes on by
 * itself.
 */
async function takeReady(
  deps: WorkspaceDeps,
  projectId: string,
  line: WaitingMerge[],
  most: number,
  tryMore: TryMore,
): Promise<ReadyMerge[]> {
  const taken = line.splice(0, most);
  const keys = taken.map(({ asked }) => workspaceLock(asked.agentId));
  // Each key is for the first merge of its workspace.
  const free = new Set(
    await tryMore(keys).catch((error: unknown) => {
      line.unshift(...taken);
      throw error;
    }),
  );
  const ready = await Promise.all(
    taken.map(async (waiting): Promise<ReadyMerge | null> => {
      const { asked, until, inContext, resolve, reject } = waiting;
      try {
        if (until < performance.now()) throw workspaceBusy("The branch was busy for a minute");
        const workspace = free.delete(workspaceLock(asked.agentId))
          ? await inContext(() => readRecovered(deps, asked))
          : null;
        if (workspace) return { ...waiting, workspace };
        inContext(() => mergeAlone(deps, projectId, asked, until)).then(resolve, reject);
      } catch (error) {
        reject(error);
      }
      return null;
    }),
  );
  return ready.filter((merge) => merge !== null);
}

/** Reads a workspace under its lock; null if interrupted work must be recovered first. */
async function readRecovered(
  deps: WorkspaceDeps,
  { context, agentId }: AskedMerge,
): Promise<ActiveWorkspace | null> {
  const workspace = await deps.db.read(context.orgId, (tx) => requireActive(tx, agentId));
  if (workspace.pending_commits.length > 0) return null;
  const { repoPath } = placesOf(deps, workspace);
  const tip = await resolveCommit(repoPath, branchRef(workspace.branch_name));
  return tip === workspace.head_commit ? workspace : null;
}

/** Waits for the workspace of a merge, and merges if the branch is free; otherwise waits in line. */
async function mergeAlone(
  deps: WorkspaceDeps,
  projectId: string,
  asked: AskedMerge,
  until: number,
): Promise<Merge> {
  const { agentId, branch, context } = asked;
  const lock = branchLock(projectId, branch);
  const merge = await deps.db.locks(context.orgId, [workspaceLock(agentId)], async (tryMore) => {
    const workspace = await activeUnderLock(deps, context.orgId, agentId);
    return (await tryMore([lock])).has(lock) ? mergeUnderLocks(deps, asked, workspace) : null;
  });
  return merge ?? mergeTogether(deps, projectId, asked, until);
}

/** Computes a merge onto a commit that has not landed yet; null if its result may depend on more. */
async function prepareOn(
  deps: WorkspaceDeps,
  { asked, workspace }: ReadyMerge,
  target: string,
): Promise<PreparedMerge | null> {
  const state = { source: workspace.head_commit, target };
  // An error is that of this merge alone, which is computed again as the first of its group.
  return prepareDisjointMerge(deps, workspace, asked.branch, asked.request, state).catch(
    () => null,
  );
}

/** @throws AppError, RefMovedError, RegenerationRequired */
async function prepare(
  deps: WorkspaceDeps,
  { branch, request, regeneration }: AskedMerge,
  workspace: ActiveWorkspace,
): Promise<PreparedMerge | { upToDate: Merge }> {
  requireUnprotected(workspace.protected_branches, branch);
  const state = { source: workspace.head_commit, regeneration };
  return prepareMerge(deps, workspace, branch, request, state);
}

/** Merges under the locks of the workspace and the target branch. */
export function mergeUnderLocks(
  deps: WorkspaceDeps,
  asked: AskedMerge,
  workspace: ActiveWorkspace,
): Promise<Merge> {
  return retryOnRefMoved(async () => {
    const prepared = await prepare(deps, asked, workspace);
    return "upToDate" in prepared ? prepared.upToDate : applyMerge(deps, asked.context, prepared);
  });
}
