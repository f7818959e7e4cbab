import type { Changes } from "#shared/api/work/reviews.js";
import { protectionOf } from "#shared/code/protection.js";
import { approvingPermissions } from "#shared/permissions.js";
import { allowsAny } from "../../../access/access.js";
import { isPerson } from "../../../access/authenticate.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { AppError } from "../../../errors.js";
import type { CallerContext } from "../../../http/requests/request-context.js";
import {
  findOpenMerge,
  hasPushedToAgent,
  readProtectedBranches,
} from "../../code/workspaces/index.js";
import { changeId } from "./change-ids.js";
import type { ReviewedAttempt } from "./reviewed-attempt.js";
import * as queries from "./reviews.queries.js";
import * as threads from "./threads.queries.js";

type Approver = Pick<CallerContext, "actor" | "access">;

/** Returns why an approval by the caller would not count, as a sentence; null if it would. */
export async function reasonAgainst(
  tx: Queryable,
  { actor, access }: Approver,
  { task, attempt }: Pick<ReviewedAttempt, "task" | "attempt">,
): Promise<string | null> {
  if (!isPerson(actor)) return "Only a person can approve.";
  if (!allowsAny(access, approvingPermissions)) return "You may not approve changes.";
  if (task.resolution !== null) return "The task is finished.";
  const request = await findOpenMerge(tx, attempt.agent_id, actor.userId);
  if (request?.is_requester === true) {
    return "You asked for this merge; another person has to approve it.";
  }
  return (await hasPushedToAgent(tx, attempt.agent_id, actor.userId))
    ? "You pushed to the branch of this change; another person has to approve it."
    : null;
}

/** @throws AppError 403 `own_work` if an approval by the caller would not count */
export async function requireApprover(
  tx: Queryable,
  approver: Approver,
  reviewed: Pick<ReviewedAttempt, "task" | "attempt">,
): Promise<void> {
  const reason = await reasonAgainst(tx, approver, reviewed);
  if (reason !== null) throw new AppError("own_work", reason);
}

/** Reads who has approved a change, and what is missing. */
export async function readApproval(
  context: CallerContext,
  reviewed: ReviewedAttempt,
): Promise<Changes["approval"]> {
  const { task, attempt, head, targetBranch } = reviewed;
  const { reason, verdicts, request, entries, open } = await context.tx(async (tx) => ({
    reason: await reasonAgainst(tx, context, reviewed),
    verdicts: await queries.listVerdicts(tx, task.id, attempt.id),
    request: await findOpenMerge(tx, attempt.agent_id, context.actor.userId),
    entries: await readProtectedBranches(tx, task.project_id),
    open: await threads.countOpen(tx, task.id),
  }));
  const entry = protectionOf(entries, targetBranch);
  const isStaleKept = entry?.dismiss_stale_approvals === false;
  // The id of a large change takes longer than its lines, and only approvals of earlier commits need it.
  const needsId = verdicts.some(
    ({ verdict, commit_sha }) => verdict === "approve" && commit_sha !== head,
  );
  const patchId = needsId && !isStaleKept ? await changeId(reviewed) : null;
  const reviewers = verdicts.map(({ id, author, verdict, commit_sha, created_at, patch_id }) => ({
    by: author,
    verdict,
    review_id: id,
    commit_sha,
    counts:
      verdict === "approve" &&
      (isStaleKept || queries.isForChange({ verdict, commit_sha, patch_id }, { head, patchId })),
    at: created_at,
  }));
  return {
    approve: { allowed: reason === null, reason },
    required: entry?.approvals ?? 0,
    given: request?.approvals ?? reviewers.filter(({ counts }) => counts).length,
    open_threads: open,
    resolve_threads: entry?.resolve_threads ?? false,
    dismiss_stale_approvals: entry?.dismiss_stale_approvals ?? true,
    reviewers,
  };
}
