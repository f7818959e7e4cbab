import { systemOrigin } from "../../../../db/audit/audit.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import { isStillAllowed } from "../../../../access/original-caller.js";
import { RefMovedError, updateRefs } from "#git/store/refs.js";
import { publish, secondsSince } from "#shared/node/measurements.js";
import { keepUpdates } from "../merges/apply-merge.js";
import * as merges from "../merges/merges.queries.js";
import { recordMerge } from "../merges/record-merge.js";
import { branchRef, type WorkspaceDeps } from "../workspace.js";
import type { Candidate } from "./plan-request.js";
import * as queries from "./merge-requests.queries.js";
import type { RequestRow } from "./merge-requests.queries.js";
import { requestTarget } from "./merge-requests.js";
import type { BranchQueue } from "./branch-queue.js";

/**
 * Moves the branch from its tip to the last of the candidates, which was checked, and records the merge
 * of each. Their rows are written as pending before the branch moves, so that a restart completes or
 * undoes them. Nothing lands if the branch has moved, if its rules have changed, if a request was
 * canceled, or if its caller may no longer merge; the latter is rejected. The caller holds the branch's
 * lock.
 */
export async function landRequests(
  deps: WorkspaceDeps,
  { org_id, project_id, branch }: BranchQueue,
  tip: string,
  candidates: readonly Candidate[],
  areRulesCurrent: (tx: Queryable) => Promise<boolean>,
): Promise<void> {
  const { db } = deps;
  const start = performance.now();
  const last = candidates.at(-1)?.prepared.row.merge_commit;
  if (last === undefined || !(await begin(deps, org_id, candidates, areRulesCurrent))) return;
  const keep = candidates.flatMap(({ prepared }) => keepUpdates(prepared.keep));
  const repoPath = deps.storage.repository(org_id, project_id);
  try {
    await updateRefs(repoPath, [
      { ref: branchRef(branch), newSha: last, expectedOld: tip },
      ...keep,
    ]);
  } catch (error) {
    // After any other error the branch may have moved: the next step asks the branch.
    if (!(error instanceof RefMovedError)) throw error;
    await db.tenant(org_id, async (tx) => {
      for (const { request, prepared } of candidates) {
        await merges.deletePendingMerge(tx, prepared.row.id);
        await queries.updateRequest(tx, request.id, { merge_id: null });
      }
    });
    return;
  }
  for (const { request, prepared } of candidates) {
    // The caller of the request is the author of the merge.
    const merge = await db.change(org_id, request.origin, async (tx, audit) => {
      const done = await recordMerge(tx, audit, prepared.row);
      await queries.endRequest(tx, request.id, "merged", null);
      return done;
    });
    const { status, resolution_strategy: strategy } = merge;
    publish("merge", { status, strategy, seconds: secondsSince(start) });
  }
}

/** Writes the pending merges. Returns false if a request cannot land. */
async function begin(
  deps: WorkspaceDeps,
  orgId: string,
  candidates: readonly Candidate[],
  areRulesCurrent: (tx: Queryable) => Promise<boolean>,
): Promise<boolean> {
  try {
    return await deps.db.change(orgId, systemOrigin, async (tx, audit) => {
      if (await queries.isArchived(tx, orgId)) return false;
      if (!(await areRulesCurrent(tx))) return false;
      for (const { request } of candidates) {
        const { origin } = request;
        if (await isStillAllowed(tx, origin, orgId, "agent:workspace:merge")) continue;
        const reason = "The caller who requested it may no longer merge this workspace.";
        await queries.endRequest(tx, request.id, "rejected", reason);
        audit({ action: "merge_request.rejected", target: requestTarget(request) });
        return false;
      }
      for (const { request, prepared } of candidates) {
        const { row } = prepared;
        await merges.insertingPendingMerge(tx, { ...row, origin: request.origin });
        const changes = { merge_id: row.id, candidate_commit: row.merge_commit };
        if (!(await queries.updateRequest(tx, request.id, changes))) throw new RequestEndedError();
      }
      return true;
    });
  } catch (error) {
    if (error instanceof RequestEndedError) return false;
    throw error;
  }
}

/** A request of the batch was canceled meanwhile. */
class RequestEndedError extends Error {
  override readonly name = "RequestEndedError";
}

/** Rejects an open request, with an audit event of the server. */
export async function rejectRequest(
  { db }: WorkspaceDeps,
  request: RequestRow,
  reason: string,
  changes: Pick<Partial<RequestRow>, "candidate_commit"> = {},
): Promise<void> {
  await db.change(request.org_id, systemOrigin, async (tx, audit) => {
    if (Object.keys(changes).length > 0) await queries.updateRequest(tx, request.id, changes);
    if (!(await queries.endRequest(tx, request.id, "rejected", reason))) return;
    audit({
      action: "merge_request.rejected",
      target: requestTarget(request),
      changes: { reason: { from: null, to: reason } },
    });
  });
}
