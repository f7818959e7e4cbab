import type { WorkspaceDeps } from "../workspace.js";
import { authorOf, readDisplayName } from "../../../../access/author.queries.js";
import type { MergeRequest } from "#shared/api/code/merge-requests.js";
import { AppError, notFound } from "../../../../errors.js";
import { isPerson, type Actor } from "../../../../access/authenticate.js";
import type { OrgContext } from "../../../../http/requests/request-context.js";
import * as queries from "./merge-requests.queries.js";
import type { RequestRow } from "./merge-requests.queries.js";
import { sendAdvance } from "./branch-queue.js";
import type { Queryable } from "../../../../db/connection/connect.js";

/** @throws AppError 404 */
export async function readRequest(
  context: Pick<OrgContext, "tx">,
  id: string,
): Promise<MergeRequest> {
  const found = await context.tx((tx) => queries.findRequest(tx, id));
  if (!found) throw notFound();
  return found;
}

/** A request as an audit target. */
export const requestTarget = ({
  id,
  source_branch,
  target_branch,
}: Pick<RequestRow, "id" | "source_branch" | "target_branch">) =>
  ({ type: "merge_request", id, name: `${source_branch} → ${target_branch}` }) as const;

/**
 * Cancels an open request.
 * @throws AppError 404; 409 `merge_request_ended`, also while it lands
 */
export async function cancelRequest(
  deps: WorkspaceDeps,
  context: OrgContext,
  id: string,
): Promise<void> {
  const row = await context.change(async (tx, audit) => {
    const found = await requireOpen(tx, id);
    const reason = `Canceled by ${await nameOf(tx, context)}.`;
    if (!(await queries.endRequest(tx, id, "cancelled", reason))) {
      throw new AppError(
        "merge_request_ended",
        "The merge is landing and can no longer be canceled.",
      );
    }
    audit({ action: "merge_request.cancelled", target: requestTarget(found) });
    return found;
  });
  await sendAdvance(deps, { ...row, branch: row.target_branch });
}

/**
 * Approves an open request.
 * @throws AppError 403 `own_work` for the agent, for the person who requested it, and for a person who
 * pushed to its branch; 404; 409 `merge_request_ended`
 */
export async function approveRequest(
  deps: WorkspaceDeps,
  context: OrgContext,
  id: string,
): Promise<MergeRequest> {
  const { orgId, actor } = context;
  const row = await context.change(async (tx, audit) => {
    const found = await requireOpen(tx, id);
    await requireSomebodyElse(tx, actor, found);
    const approval = {
      request_id: id,
      approver_id: actor.userId,
      org_id: orgId,
      approver: authorOf(context),
    };
    if (!(await queries.insertApproval(tx, approval))) return found;
    // Announces the change of the request.
    await queries.updateRequest(tx, id, { reason: found.reason });
    audit({ action: "merge_request.approved", target: requestTarget(found) });
    return found;
  });
  await sendAdvance(deps, { ...row, branch: row.target_branch });
  return readRequest(context, id);
}

/** @throws AppError 404; 409 `merge_request_ended` */
async function requireOpen(tx: Queryable, id: string): Promise<RequestRow> {
  const found = await queries.findRow(tx, id);
  if (!found) throw notFound();
  if (found.ended_at === null) return found;
  throw new AppError("merge_request_ended", `The merge request was ${pastOf[found.status]}.`, {
    merge_request_status: found.status,
  });
}

const pastOf: Partial<Record<RequestRow["status"], string>> = {
  merged: "merged",
  rejected: "rejected",
  cancelled: "canceled",
};

/** @throws AppError 403 `own_work` */
async function requireSomebodyElse(
  tx: Queryable,
  { kind, userId }: Pick<Actor, "kind" | "userId">,
  row: RequestRow,
): Promise<void> {
  const refuse = (reason: string): never => {
    throw new AppError("own_work", `${reason}; another person must approve it.`);
  };
  if (kind === "agent") return refuse("An agent cannot approve a merge of its own work");
  // Its key may be in the hands of the person who requested the merge.
  if (!isPerson({ kind })) return refuse("A service account cannot approve a merge");
  const { actor } = row.origin;
  if (actor?.userId === userId && !actor.agent) refuse("You requested this merge");
  if (await queries.madeKeyOfRequester(tx, userId, row)) {
    refuse("You made a key of the service account that requested this merge");
  }
  if (await queries.hasPushed(tx, userId, row)) refuse("You pushed to the branch of this merge");
}

async function nameOf(tx: Queryable, { actor }: OrgContext): Promise<string> {
  return actor.agent?.name ?? (await readDisplayName(tx, actor.userId));
}
