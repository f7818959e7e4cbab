import type { mergeMethods, PullRequest, pullRequests } from "#shared/api/work/pull-requests.js";
import { needsQueue, protectionOf } from "#shared/code/protection.js";
import type { ParsedRequestOf } from "#shared/contract/endpoint.js";
import { denyMissingPermission, requirePermission } from "../../../../access/access.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import { AppError, notFound } from "../../../../errors.js";
import type { OrgContext } from "../../../../http/requests/request-context.js";
import { readProtectedBranches } from "../../../code/workspaces/index.js";
import { requireTask } from "../../tasks/index.js";
import type { Forge } from "../forge.js";
import { withForgeErrors } from "../use-forge.js";
import {
  advance,
  refresh,
  targetOf,
  useForgeOf,
  withPullRequest,
  type PullRequestDeps,
} from "./advance-pull-request.js";
import { followBranch } from "./follow-branch.js";
import { escapeMentions } from "./escape-mentions.js";
import { readPullRequest } from "./open-pull-request.js";
import * as queries from "./pull-requests.queries.js";
import type { PullRequestRow } from "./pull-requests.queries.js";

type Changes = ParsedRequestOf<typeof pullRequests.update>["body"];

/** Asks the forge for the state of a request. @throws AppError 404; 409; 422 */
export async function refreshPullRequest(
  deps: PullRequestDeps,
  context: OrgContext,
  id: string,
): Promise<PullRequest> {
  await withPullRequest(deps, context.orgId, id, async (row) => {
    await withForgeErrors(() => refresh(deps, row));
    await followBranch(deps, context.orgId, id);
  });
  return readPullRequest(context, id);
}

/** Changes a request on its forge. @throws AppError 403; 404; 409 `pull_request_closed`, `no_repository`; 422 */
export async function updatePullRequest(
  deps: PullRequestDeps,
  context: OrgContext,
  id: string,
  given: Changes,
): Promise<PullRequest> {
  const isAgent = context.actor.kind === "agent";
  const words = (text: string | undefined): string | undefined =>
    text !== undefined && isAgent ? escapeMentions(text) : text;
  const { base, labels = [], reviewers = [], auto_update } = given;
  const changes = { title: words(given.title), body: words(given.body), base };
  await context.change(async (tx, audit) => {
    const row = await requireOpen(tx, context, id);
    await queries.updatePullRequest(tx, id, {
      labels: [...new Set([...row.labels, ...labels])],
      reviewers: [...new Set([...row.reviewers, ...reviewers])],
      ...(auto_update !== undefined && { auto_update }),
      // Another attempt to push.
      ...(auto_update === true && { error: null }),
    });
    audit({ action: "pull_request.updated", target: targetOf(row) });
  });
  const isChange = Object.values(changes).some((value) => value !== undefined);
  await withPullRequest(deps, context.orgId, id, async (row) => {
    const { number } = row;
    if (number === null) throw closed();
    if (isChange) {
      await withForgeErrors(() =>
        useForgeOf(deps, row, (forge) => forge.updatePullRequest(row.repository, number, changes)),
      );
    }
    const pushes = await context.tx((tx) => queries.isPushDue(tx, id));
    const isWaiting = row.labels.length > 0 || row.reviewers.length > 0;
    if (isWaiting || (pushes && auto_update === true)) await advance(deps, row, context);
    else await withForgeErrors(() => refresh(deps, row, context));
  });
  return readPullRequest(context, id);
}

/** Makes a draft ready for review. @throws AppError as `updatePullRequest` */
export function markReady(
  deps: PullRequestDeps,
  context: OrgContext,
  id: string,
): Promise<PullRequest> {
  return act(deps, context, id, (forge, { repository }, number) =>
    forge.markReady(repository, number),
  );
}

/**
 * Merges a request on its forge, whose rules decide. A base branch with rules here is not merged around them.
 * @throws AppError 409 `branch_protected`, and as `updatePullRequest`
 */
export async function mergePullRequest(
  deps: PullRequestDeps,
  context: OrgContext,
  id: string,
  method: (typeof mergeMethods)[number],
): Promise<PullRequest> {
  requirePermission(context.access, "agent:workspace:merge");
  await context.change(async (tx, _audit, access) => {
    denyMissingPermission(access, "agent:workspace:merge");
    const row = await requireOpen(tx, context, id);
    const rules = await readProtectedBranches(tx, row.project_id);
    if (needsQueue(protectionOf(rules ?? [], row.base))) {
      throw new AppError(
        "branch_protected",
        `${row.base} has checks or approvals here; merge the task, or merge on the forge yourself.`,
      );
    }
  });
  return act(deps, context, id, (forge, row, number) =>
    forge.mergePullRequest(row.repository, number, method, row.head_sha ?? row.pushed_sha ?? ""),
  );
}

/** Closes a request without merging it. @throws AppError as `updatePullRequest` */
export function closePullRequest(
  deps: PullRequestDeps,
  context: OrgContext,
  id: string,
): Promise<PullRequest> {
  return act(deps, context, id, (forge, { repository }, number) =>
    forge.closePullRequest(repository, number),
  );
}

/** Lets the forge change an open request, and reads what became of it. */
async function act(
  deps: PullRequestDeps,
  context: OrgContext,
  id: string,
  work: (forge: Forge, row: PullRequestRow, number: number) => Promise<void>,
): Promise<PullRequest> {
  await context.change(async (tx) => {
    await requireOpen(tx, context, id);
  });
  await withPullRequest(deps, context.orgId, id, async (row) => {
    const { number } = row;
    if (number === null || (row.state !== "open" && row.state !== "draft")) throw closed();
    await withForgeErrors(async () => {
      await useForgeOf(deps, row, (forge) => work(forge, row, number));
      await refresh(deps, row, context);
    });
  });
  return readPullRequest(context, id);
}

/** @throws AppError 403; 404; 409 `pull_request_closed` */
async function requireOpen(
  tx: Queryable,
  { actor }: OrgContext,
  id: string,
): Promise<PullRequestRow> {
  const row = await queries.findRow(tx, id);
  if (!row) throw notFound();
  await requireTask(tx, actor, row.task_id);
  if (row.state !== "open" && row.state !== "draft") throw closed();
  return row;
}

const closed = (): AppError =>
  new AppError("pull_request_closed", "The pull request is not open on the forge.");
