import { authorOf } from "../../../../access/author.queries.js";
import type { MergeRequest as QueuedRequest } from "#shared/api/code/merge-requests.js";
import type { Merge } from "#shared/api/code/merges.js";
import { needsQueue, protectionOf } from "#shared/code/protection.js";
import { originOf } from "../../../../db/audit/audit.js";
import { newId } from "../../../../db/tables/columns.js";
import { violatedConstraint } from "../../../../db/connection/connect.js";
import { DataMerges } from "#git/merge/merge.js";
import { patchIdOf } from "#git/diff/patch-id.js";
import { mergeBase, resolveCommit } from "#git/store/repository.js";
import { AppError, notFound } from "../../../../errors.js";
import type { OrgContext } from "../../../../http/requests/request-context.js";
import { activeUnderLock } from "../commits/commit-workspace.js";
import type { PreparedMerge } from "../merges/apply-merge.js";
import { commitUnsavedChanges, targetOf } from "../merges/merge-workspace.js";
import { defaultMessage, prepareMerge, type MergeRequest } from "../merges/prepare-merge.js";
import { waitWithoutLocks } from "../merges/planning/data-merges.js";
import { postponed, type RegenerationRules } from "../merges/planning/regenerate-files.js";
import { prepareUndo, readUndone, undoOf, type UndoRequest } from "../merges/revert-merge.js";
import {
  branchRef,
  placesOf,
  workspaceLock,
  type ActiveWorkspace,
  type WorkspaceDeps,
} from "../workspace.js";
import * as queries from "./merge-requests.queries.js";
import { requireBranchName } from "../branch-rules/protection.js";
import { readProtectedBranches } from "../branch-rules/protection.queries.js";
import { sendAdvance } from "./branch-queue.js";
import { requireThreadsResolved } from "../merges/open-threads.queries.js";
import { carryApprovals } from "./review-approvals.queries.js";

/** Maximum number of open requests of a project. */
const MAX_OPEN = 200;

/**
 * Queues a merge of the workspace's branch as it is now: uncommitted changes are committed first, and
 * later commits are not included.
 * @throws AppError as `mergeWorkspace`, and 409 `merge_request_open`, `queue_full`
 */
export async function enqueueMerge(
  deps: WorkspaceDeps,
  context: OrgContext,
  agentId: string,
  request: MergeRequest,
): Promise<QueuedRequest> {
  const data = new DataMerges(deps.dataProcesses, context.orgId, { waits: false });
  return waitWithoutLocks(() =>
    enqueueNow(deps, context, agentId, request, { ...postponed, data }),
  );
}

/** @throws DataBusyError */
function enqueueNow(
  deps: WorkspaceDeps,
  context: OrgContext,
  agentId: string,
  request: MergeRequest,
  regeneration: RegenerationRules,
): Promise<QueuedRequest> {
  const { orgId } = context;
  return deps.db.locks(orgId, [workspaceLock(agentId)], async () => {
    const active = await activeUnderLock(deps, orgId, agentId);
    const { branch } = await targetOf(deps, context, active, request);
    await context.tx((tx) =>
      requireThreadsResolved(tx, agentId, active.protected_branches, branch),
    );
    const workspace = await commitUnsavedChanges(deps, context, active);
    const { head_commit: source } = workspace;
    // A merge that cannot succeed is rejected now instead of later.
    const state = { source, regeneration };
    const prepared = await prepareMerge(deps, workspace, branch, request, state);
    return insert(deps, context, {
      agent: { id: agentId, name: workspace.agent_name },
      kind: "merge",
      ofMerge: null,
      prepared,
      // A later change of the agent's task does not change the commit that is checked.
      request: { ...request, message: request.message ?? defaultMessage(workspace, branch) },
      projectId: workspace.project_id,
      sourceBranch: workspace.branch_name,
      sourceCommit: source,
      targetBranch: branch,
      target: await resolveCommit(placesOf(deps, workspace).repoPath, branchRef(branch)),
      change: await changeOf(deps, workspace, branch),
    });
  });
}

/** Identifies the change of a branch that needs approvals; null for other branches, and for no change. */
async function changeOf(
  deps: WorkspaceDeps,
  workspace: ActiveWorkspace,
  branch: string,
): Promise<string | null> {
  const entry = protectionOf(workspace.protected_branches, branch);
  if ((entry?.approvals ?? 0) === 0) return null;
  const { repoPath } = placesOf(deps, workspace);
  const target = await resolveCommit(repoPath, branchRef(branch));
  const base = target && (await mergeBase(repoPath, target, workspace.head_commit));
  return base && patchIdOf(repoPath, base, workspace.head_commit);
}

/**
 * Queues a revert, or with `paths` a restore.
 * @throws AppError as `revertMerge`, and 409 `merge_request_open`, `queue_full`
 */
export async function enqueueUndo(
  deps: WorkspaceDeps,
  context: OrgContext,
  agentId: string,
  mergeId: string,
  request: UndoRequest & { paths?: readonly string[] },
): Promise<QueuedRequest> {
  const undone = await readUndone(context, agentId, mergeId);
  const undoing = undoOf(request.paths);
  const state = { regeneration: postponed };
  const prepared = await prepareUndo(deps, undone, request, undoing, state);
  const { merge, author } = undone;
  const repoPath = deps.storage.repository(merge.org_id, merge.project_id);
  return insert(deps, context, {
    agent: { id: agentId, name: author.name },
    kind: undoing.kind,
    ofMerge: merge.id,
    prepared,
    request,
    projectId: merge.project_id,
    sourceBranch: merge.source_branch,
    sourceCommit: null,
    targetBranch: merge.target_branch,
    target: await resolveCommit(repoPath, branchRef(merge.target_branch)),
    change: null,
  });
}

interface NewRequest {
  agent: { id: string; name: string };
  kind: "merge" | "revert" | "restore";
  ofMerge: string | null;
  prepared: PreparedMerge | { upToDate: Merge };
  request: UndoRequest & { paths?: readonly string[] };
  projectId: string;
  sourceBranch: string;
  sourceCommit: string | null;
  targetBranch: string;
  /** The commit of the target for which the request was computed. */
  target: string | null;
  /** Id of the change, for approvals of earlier reviews; null for none. */
  change: string | null;
}

async function insert(
  deps: WorkspaceDeps,
  context: OrgContext,
  wanted: NewRequest,
): Promise<QueuedRequest> {
  const { orgId } = context;
  const { agent, kind, ofMerge, prepared, projectId, sourceBranch, targetBranch } = wanted;
  const { strategy, resolutions, message, paths } = wanted.request;
  const id = newId();
  const isNothing = "upToDate" in prepared;
  const decided_target =
    "row" in prepared ? prepared.row.target_commit : (wanted.target ?? undefined);
  try {
    await context.change(async (tx, audit) => {
      if ((await queries.countOpen(tx, projectId)) >= MAX_OPEN) {
        throw new AppError(
          "queue_full",
          `${MAX_OPEN} merge requests of the project are already open; try again later.`,
        );
      }
      const entries = await readProtectedBranches(tx, projectId);
      requireBranchName(entries, targetBranch);
      const entry = protectionOf(entries, targetBranch);
      const waits = needsQueue(entry) && entry.approvals > 0;
      await queries.insertRequest(tx, {
        id,
        org_id: orgId,
        project_id: projectId,
        agent_id: agent.id,
        kind,
        of_merge: ofMerge,
        request: {
          // A later change of the workspace's setting does not change what was approved.
          strategy: strategy ?? ("row" in prepared ? prepared.row.strategy : undefined),
          resolutions,
          message,
          paths,
          ...(resolutions !== undefined && { decided_target }),
        },
        source_branch: sourceBranch,
        source_commit: wanted.sourceCommit,
        target_branch: targetBranch,
        status: isNothing ? "merged" : waits ? "waiting_for_approval" : "queued",
        reason: isNothing ? `There is nothing to merge into ${targetBranch}.` : null,
        origin: originOf(context),
        requested_by: authorOf(context),
      });
      if (waits && kind === "merge") {
        const keepsStale = !entry.dismiss_stale_approvals;
        await carryApprovals(tx, id, { patchId: wanted.change, keepsStale });
      }
      audit({
        action: "merge_request.created",
        target: { type: "merge_request", id, name: `${sourceBranch} → ${targetBranch}` },
        changes: {
          kind: { from: null, to: kind },
          agent: { from: null, to: agent.name },
          source_commit: { from: null, to: wanted.sourceCommit },
        },
      });
    });
  } catch (error) {
    const constraint = violatedConstraint(error);
    if (constraint !== "merge_requests_one_merge" && constraint !== "merge_requests_one_undo") {
      throw error;
    }
    throw await alreadyOpen(context, wanted);
  }
  if (!isNothing) {
    await sendAdvance(deps, { org_id: orgId, project_id: projectId, branch: targetBranch });
  }
  const stored = await context.tx((tx) => queries.findRequest(tx, id));
  if (!stored) throw notFound();
  return stored;
}

async function alreadyOpen(
  context: OrgContext,
  { agent, ofMerge, sourceBranch, targetBranch }: NewRequest,
): Promise<AppError> {
  const which = ofMerge === null ? { agentId: agent.id, branch: targetBranch } : { ofMerge };
  const merge_request_id = await context.tx((tx) => queries.findOpenOf(tx, which));
  return new AppError(
    "merge_request_open",
    ofMerge === null
      ? `A merge of ${sourceBranch} into ${targetBranch} is already open; cancel it to queue later commits.`
      : "An undo of this merge is already open; wait for it, or cancel it.",
    { merge_request_id },
  );
}
