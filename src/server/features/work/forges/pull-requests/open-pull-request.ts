import {
  MAX_BODY_LENGTH,
  type NewPullRequest,
  type PullRequest,
} from "#shared/api/work/pull-requests.js";
import {
  defaultBodyTemplate,
  defaultBranchTemplate,
  renderTemplate,
} from "#shared/work/pull-request-template.js";
import { slugFrom } from "#shared/organization/slug-from.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import { newId } from "../../../../db/tables/columns.js";
import { AppError, notFound } from "../../../../errors.js";
import type { CallerContext, OrgContext } from "../../../../http/requests/request-context.js";
import {
  attemptsOf,
  finished,
  isUnderWay,
  requireAttempt,
  requireTask,
} from "../../tasks/index.js";
import {
  advance,
  noRepository,
  targetOf,
  useForgeOf,
  withPullRequest,
  type PullRequestDeps,
} from "./advance-pull-request.js";
import { withForgeErrors } from "../use-forge.js";
import { escapeMentions } from "./escape-mentions.js";
import * as queries from "./pull-requests.queries.js";

type OpeningAttempt = Awaited<ReturnType<typeof attemptToPropose>>;

/**
 * Pushes the work of a task and opens a pull request for it, or updates the one that is open.
 * @throws AppError 403; 404; 409 `no_repository`, `no_attempt`, `run_in_progress`, `nothing_to_propose`,
 *   `task_finished`; 422 with the reason of the forge
 */
export async function openPullRequest(
  deps: PullRequestDeps,
  context: OrgContext,
  taskId: string,
  given: NewPullRequest,
): Promise<PullRequest> {
  const input = context.actor.kind === "agent" ? escaped(given) : given;
  const id = await context.change(async (tx, audit) => {
    const found = await attemptToPropose(tx, context, taskId);
    const { labels = [], reviewers = [] } = input;
    const open = await queries.findOpenOfTask(tx, taskId);
    if (open) {
      const { title = open.title, body = open.body, base = open.base, draft = open.draft } = input;
      const opening = open.state === "opening" ? { title, body, base, draft } : {};
      const added = {
        labels: [...new Set([...open.labels, ...labels])],
        reviewers: [...new Set([...open.reviewers, ...reviewers])],
      };
      const attempt_id = found.attempt.id;
      await queries.updatePullRequest(tx, open.id, {
        attempt_id,
        error: null,
        ...opening,
        ...added,
      });
      audit({ action: "pull_request.updated", target: targetOf(open) });
      return open.id;
    }
    const row = {
      ...(await defaultsOf(deps, tx, found)),
      ...(input.title !== undefined && { title: input.title }),
      ...(input.body !== undefined && { body: input.body }),
      ...(input.base !== undefined && { base: input.base }),
      id: newId(),
      org_id: context.orgId,
      project_id: found.task.project_id,
      task_id: taskId,
      attempt_id: found.attempt.id,
      forge_id: found.link.forge_id,
      repository: found.link.name,
      draft: input.draft ?? false,
      labels,
      reviewers,
    };
    await queries.insertPullRequest(tx, row);
    const changes = { head: { from: null, to: row.head }, base: { from: null, to: row.base } };
    audit({ action: "pull_request.opened", target: targetOf({ ...row, number: null }), changes });
    return row.id;
  });
  await withPullRequest(deps, context.orgId, id, async (row) => {
    const { number } = row;
    const { title, body, base } = input;
    const isChange = [title, body, base].some((value) => value !== undefined);
    if (number !== null && isChange) {
      await withForgeErrors(() =>
        useForgeOf(deps, row, (forge) =>
          forge.updatePullRequest(row.repository, number, { title, body, base }),
        ),
      );
    }
    await advance(deps, row, context);
  });
  return readPullRequest(context, id);
}

/** Reads a pull request. @throws AppError 404 */
export async function readPullRequest(
  context: Pick<CallerContext, "tx">,
  id: string,
): Promise<PullRequest> {
  const found = await context.tx((tx) => queries.findPullRequest(tx, id));
  if (!found) throw notFound();
  return found;
}

/** @throws AppError 403; 404; 409 */
async function attemptToPropose(tx: Queryable, context: OrgContext, taskId: string) {
  const task = await requireTask(tx, context.actor, taskId);
  if (task.resolution !== null) throw finished(task);
  const link = await queries.findLink(tx, task.project_id);
  if (!link) throw noRepository();
  const { all, main } = await attemptsOf(tx, task);
  const attempt = requireAttempt(main, all.length);
  if (attempt.status === "archived") {
    throw new AppError("no_attempt", "The chosen attempt is archived; start another one.");
  }
  if (isUnderWay(attempt.status)) {
    throw new AppError(
      "run_in_progress",
      "The agent is still working; open it when its turn ends.",
    );
  }
  const { head_commit, parent_commit } = attempt;
  if (head_commit === null || head_commit === parent_commit) {
    throw new AppError("nothing_to_propose", "The attempt has no commits of its own yet.");
  }
  return { task, attempt, link };
}

/** Returns what a request says if its caller does not, by the templates of the project. */
async function defaultsOf(
  { publicUrl }: PullRequestDeps,
  tx: Queryable,
  { task, attempt, link }: OpeningAttempt,
) {
  const words = escapeMentions((await queries.lastWords(tx, attempt.id)) ?? "");
  const title = task.created_by.type === "agent" ? escapeMentions(task.title) : task.title;
  const checks = await queries.listChecks(tx, task.project_id, attempt.head_commit ?? "");
  const values = {
    "task.number": String(task.number),
    "task.title": title,
    "task.url": `${publicUrl()}/tasks/${task.id}`,
    "task.slug": slugFrom(task.title).slice(0, 40).replace(/-+$/, "") || "task",
    "project.name": link.project_name,
    checks: checks
      .map(({ name, status }) => `- ${status === "passed" ? "✓" : "✕"} ${escapeMentions(name)}`)
      .join("\n"),
  };
  const body = (summary: string): string =>
    renderTemplate(link.body_template ?? defaultBodyTemplate, { ...values, summary });
  const tooLong = body(words).length - MAX_BODY_LENGTH;
  return {
    title,
    body: (tooLong > 0 ? body(words.slice(0, -tooLong)) : body(words)).slice(0, MAX_BODY_LENGTH),
    base: attempt.base_branch,
    head: renderTemplate(link.branch_template ?? defaultBranchTemplate, values),
  };
}

/** An agent's words notify no one. */
function escaped({ title, body, ...rest }: NewPullRequest): NewPullRequest {
  return {
    ...rest,
    ...(title !== undefined && { title: escapeMentions(title) }),
    ...(body !== undefined && { body: escapeMentions(body) }),
  };
}
