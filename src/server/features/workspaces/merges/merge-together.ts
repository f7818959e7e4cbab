/** Merges into one branch that were requested at the same time. */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Merge } from "#shared/api/projects/merges.js";
import { RefMovedError } from "#git/store/refs.js";
import type { OrgContext } from "../../../http/request-context.js";
import { workspaceBusy } from "../../../errors.js";
import { activeUnderLock } from "../commits/commit-workspace.js";
import { requireUnprotected } from "../queue/protection.js";
import {
  branchLock,
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
  /** Runs work on behalf of the request. */
  inContext: <Result>(work: () => Promise<Result>) => Promise<Result>;
  resolve: (merge: Merge) => void;
  reject: (error: unknown) => void;
}

/** A merge whose locks are held. */
interface ReadyMerge extends WaitingMerge {
  workspace: ActiveWorkspace;
}

/** Maximum number of merges that hold the branch at once, and of those that wait for it. */
const MAX_HELD = 8;
const MAX_WAITING = 200;

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
): Promise<Merge> {
  const lock = branchLock(projectId, asked.branch);
  return new Promise((resolve, reject) => {
    const waiting = { asked, inContext: AsyncLocalStorage.snapshot(), resolve, reject };
    const line = lines.get(lock);
    if (line === undefined) {
      const own = [waiting];
      lines.set(lock, own);
      void serve(deps, lock, own);
    } else if (line.length < MAX_WAITING) line.push(waiting);
    else reject(workspaceBusy(`${MAX_WAITING} merges into the branch are already waiting`));
  });
}

/** Makes the merges of a line until none is left; between them, others get the branch. */
async function serve(deps: WorkspaceDeps, lock: string, line: WaitingMerge[]): Promise<void> {
  for (let first = line[0]; first !== undefined; first = line[0]) {
    const { orgId } = first.asked.context;
    let taken: WaitingMerge[] = [];
    try {
      await deps.db.locks(orgId, [lock], async (tryMore) => {
        taken = line.splice(0, MAX_HELD);
        const own = taken.map(({ asked }) => workspaceLock(asked.agentId));
        const free = new Set(await tryMore(own));
        const ready = await Promise.all(taken.map((one) => makeReady(deps, lock, one, free)));
        let left = ready.filter((one) => one !== null);
        while (left.length > 0) left = await mergeSome(deps, left);
      });
    } catch (error) {
      // The branch was not free in time. Merges that have their result are not affected.
      for (const { reject } of taken.length > 0 ? taken : line.splice(0)) reject(error);
    }
  }
  lines.delete(lock);
}

/**
 * Reads the workspace of a merge. Returns null unless the merge can be made now: if another operation
 * has the workspace's lock, the merge waits for both locks by itself.
 * @param free the taken locks, each for the first merge of its workspace
 */
async function makeReady(
  deps: WorkspaceDeps,
  lock: string,
  waiting: WaitingMerge,
  free: Set<string>,
): Promise<ReadyMerge | null> {
  const { asked, inContext, resolve, reject } = waiting;
  const { agentId, context } = asked;
  const own = workspaceLock(agentId);
  const read = (): Promise<ActiveWorkspace> => activeUnderLock(deps, context.orgId, agentId);
  if (free.delete(own)) {
    try {
      return { ...waiting, workspace: await inContext(read) };
    } catch (error) {
      reject(error);
      return null;
    }
  }
  const alone = (): Promise<Merge> =>
    deps.db.locks(context.orgId, [own, lock], async () =>
      mergeUnderLocks(deps, asked, await read()),
    );
  inContext(alone).then(resolve, reject);
  return null;
}

/**
 * Merges the first one and those after it that touch other files, and returns the rest. A merge whose
 * result depends on more than the files is made when those before it have landed.
 */
async function mergeSome(deps: WorkspaceDeps, ready: readonly ReadyMerge[]): Promise<ReadyMerge[]> {
  const [first, ...others] = ready;
  if (first === undefined) return [];
  const { asked, workspace, inContext, resolve, reject } = first;
  const group: (ReadyMerge & MergeToApply)[] = [];
  try {
    const prepared = await inContext(() => prepare(deps, asked, workspace));
    if ("upToDate" in prepared) resolve(prepared.upToDate);
    else group.push({ ...first, context: asked.context, prepared });
  } catch (error) {
    reject(error);
  }
  if (group.length === 0) return others;
  for (const next of others) {
    const prepared = await next.inContext(() => prepareOn(deps, next, tipOf(group)));
    if (prepared === null) break;
    group.push({ ...next, context: next.asked.context, prepared });
  }
  const rest = ready.slice(group.length);
  try {
    const done = await applyMerges(deps, group);
    for (const [index, merge] of done.entries()) group[index]?.resolve(merge);
    return rest;
  } catch (error) {
    if (error instanceof RefMovedError) {
      await inContext(() => mergeUnderLocks(deps, asked, workspace)).then(resolve, reject);
      return others;
    }
    if (error instanceof MergeRefusedError) {
      const refused = group.findIndex(({ prepared }) => prepared === error.merge.prepared);
      group[refused]?.reject(error.cause);
      return ready.toSpliced(refused, 1);
    }
    for (const failed of group) failed.reject(error);
    return rest;
  }
}

const tipOf = (group: readonly MergeToApply[]): string | undefined =>
  group.at(-1)?.prepared.row.merge_commit;

/** Computes a merge onto a commit that has not landed yet; null if its result may depend on more. */
async function prepareOn(
  deps: WorkspaceDeps,
  { asked, workspace }: ReadyMerge,
  target: string | undefined,
): Promise<PreparedMerge | null> {
  if (target === undefined) return null;
  const state = { source: workspace.head_commit, target };
  return prepareDisjointMerge(deps, workspace, asked.branch, asked.request, state);
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
