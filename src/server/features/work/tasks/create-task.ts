import { authorOf } from "../../../access/author.queries.js";
import type { NewTask, Task } from "#shared/api/work/tasks.js";
import { isPerson } from "../../../access/authenticate.js";
import { requirePermission } from "../../../access/access.js";
import { originOf, type Origin } from "../../../db/audit/audit.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { newId } from "../../../db/tables/columns.js";
import { AppError, invalidField, notFound } from "../../../errors.js";
import type { CallerContext } from "../../../http/requests/request-context.js";
import { cut, rejectRunToken, type RunDeps } from "../../execution/runs/start.js";
import { terminateOfTask } from "../agents/index.js";
import { insertAttempts, resolveLaunch } from "./make-attempts.js";
import { startAttempt } from "./start-attempt.js";
import { peopleAmong, setAssignees } from "./queries/assignees.queries.js";
import * as queries from "./tasks.queries.js";
import type { TaskRow } from "./tasks.queries.js";
import { type AttemptRow, listAttempts } from "./queries/attempts.queries.js";
import {
  countOpenChildren,
  depthOf,
  findProjectForTask,
  findTaskOfAgent,
  insertTask,
  isMember,
  maxOpenChildren,
  nextNumber,
} from "./queries/create-task.queries.js";
import {
  branchOfDependencies,
  isWaiting,
  setDependencies,
  tasksOfProject,
} from "./queries/dependencies.queries.js";

const MAX_TITLE = 120;
/** Maximum depth of tasks that agents create, the first one counted. */
const MAX_DEPTH = 3;

/**
 * Creates a task with an agent, a workspace and a session for each attempt. All of it is reserved in one
 * transaction; a restart starts what is reserved, and a start that is refused undoes it.
 * @throws AppError 409 `task_limit`, `project_not_ready`, and as `startSession`; 422
 */
export async function createTask(
  deps: RunDeps,
  context: CallerContext,
  projectId: string,
  input: NewTask,
): Promise<string> {
  const starts = input.start !== false;
  if (starts) requireStart(context);
  const project = await context.tx((tx) => findProjectForTask(tx, projectId));
  if (!project) throw notFound();
  const dependsOn = input.depends_on ?? [];
  const launch = starts ? await resolveLaunch(deps, project, input, input.body) : null;
  if (starts && project.status !== "ready") {
    throw new AppError(
      "project_not_ready",
      project.status === "importing"
        ? "The project is still importing; try again when it is ready."
        : "The project's import failed; import it again.",
    );
  }
  const id = newId();
  const count = input.attempts ?? 1;
  const attempts = await context.change(async (tx, audit, access) => {
    const parent = await parentOf(tx, context);
    if (context.actor.agent !== null) requirePermission(access, "agent:write");
    if (starts) requirePermission(access, "agent:run");
    const owner = await ownerOf(tx, context, input.owner);
    await requireDependencies(tx, projectId, dependsOn);
    await requireAssignees(tx, context.orgId, input.assignees ?? []);
    const number = await nextNumber(tx, projectId);
    const title = input.title ?? titleFrom(input.body);
    await insertTask(tx, {
      id,
      org_id: context.orgId,
      project_id: projectId,
      parent_task_id: parent?.id ?? null,
      // What an agent writes after reading a text from outside is no more to be trusted.
      trust: parent?.trust ?? "trusted",
      number,
      title,
      body: input.body,
      owner_id: owner,
      labels: input.labels ?? [],
      priority: input.priority ?? "normal",
      source: { kind: sourceOf(context), url: null, id: context.actor.agent?.id ?? null },
      created_by: authorOf(context) as never,
      origin: originOf(context),
    });
    await setDependencies(tx, context.orgId, id, dependsOn);
    await setAssignees(tx, context.orgId, id, input.assignees ?? []);
    const target = targetOf({ id, number, title });
    audit({
      action: "task.created",
      target,
      changes: { project_id: { from: null, to: projectId } },
    });
    const waits = launch !== null && (await isWaiting(tx, id));
    if (launch !== null && waits) {
      await queries.updateTask(tx, id, { launch: { ...launch, attempts: count } });
    } else if (launch !== null) {
      const baseBranch = (await branchOfDependencies(tx, id)) ?? project.default_branch;
      await insertAttempts(
        tx,
        audit,
        context,
        { id, project_id: projectId, number, title, body: input.body },
        { launch, count, first: 1, baseBranch },
      );
    }
    await queries.refreshTask(tx, id);
    return listAttempts(tx, id);
  });
  await startAll(deps, context, id, attempts);
  return id;
}

/** Checks that a caller may start agents: a run's token may not, however long the start waits. @throws AppError 403 */
export function requireStart(context: CallerContext): void {
  rejectRunToken(context);
  requirePermission(context.access, "agent:run");
}

/** A task as target of the audit log. */
export const targetOf = ({ id, number, title }: Pick<TaskRow, "id" | "number" | "title">) =>
  ({ type: "task", id, name: cut(`#${number} ${title}`, 255) }) as const;

/** Starts reserved attempts, all of them or none: a refusal undoes the task. */
async function startAll(
  deps: RunDeps,
  context: CallerContext,
  id: string,
  attempts: readonly AttemptRow[],
): Promise<void> {
  const results = await Promise.allSettled(
    attempts.map((attempt) => startAttempt(deps, context, attempt)),
  );
  const failed = results.find((result) => result.status === "rejected");
  // Stopped or canceled meanwhile, the task stays as it is.
  if (!failed || (failed.reason instanceof AppError && failed.reason.code === "task_finished"))
    return;
  await deps.db.tenant(context.orgId, (tx) => queries.updateTask(tx, id, { is_undone: true }));
  await undoTask(deps, context.orgId, id, context).catch((error: unknown) => {
    deps.log.warn({ err: error, task: id }, "a task that cannot start is removed later");
  });
  throw failed.reason;
}

/** Removes a task that could not start, with its agents. The watch of tasks goes on with it. */
export async function undoTask(
  deps: RunDeps,
  orgId: string,
  id: string,
  origin: Origin,
): Promise<void> {
  const attempts = await deps.db.tenant(orgId, (tx) => listAttempts(tx, id));
  for (const { agent_id } of attempts) {
    await terminateOfTask(deps.workspaces, orgId, origin, agent_id);
  }
  await deps.db.tenant(orgId, (tx) => queries.deleteTask(tx, id));
}

/** Returns the task of the caller's agent; null for another caller. @throws AppError 409 `task_limit` */
async function parentOf(
  tx: Queryable,
  { actor, orgId }: CallerContext,
): Promise<{ id: string; trust: Task["trust"] } | null> {
  if (actor.agent === null) return null;
  const parent = await findTaskOfAgent(tx, actor.agent.id);
  if (!parent) {
    throw new AppError(
      "insufficient_permission",
      "Only an agent that works on a task creates tasks.",
    );
  }
  if ((await depthOf(tx, parent.id)) >= MAX_DEPTH) {
    throw new AppError("task_limit", `Tasks of agents are at most ${MAX_DEPTH} levels deep.`);
  }
  const limit = await maxOpenChildren(tx, orgId);
  if ((await countOpenChildren(tx, parent.id)) >= limit) {
    throw new AppError(
      "task_limit",
      `A task has at most ${limit} open child tasks; finish or cancel one first.`,
    );
  }
  return parent;
}

/** Returns the owner of a task: a member; by default the person who acts. @throws AppError 422 */
export async function ownerOf(
  tx: Queryable,
  { orgId, actor }: Pick<CallerContext, "orgId" | "actor">,
  wanted: string | undefined,
): Promise<string | null> {
  if (wanted === undefined) return actor.kind === "service_account" ? null : actor.userId;
  if (await isMember(tx, orgId, wanted)) return wanted;
  throw invalidField("owner", "does not name a member of the organization", "unknown_id");
}

/** @throws AppError 422 for tasks that are not of the project */
export async function requireDependencies(
  tx: Queryable,
  projectId: string,
  dependsOn: readonly string[],
): Promise<void> {
  const known = await tasksOfProject(tx, projectId, dependsOn);
  if (dependsOn.every((id) => known.has(id))) return;
  throw invalidField("depends_on", "names a task that is not of this project", "unknown_id");
}

/** @throws AppError 422 for users who are no people of the organization */
export async function requireAssignees(
  tx: Queryable,
  orgId: string,
  userIds: readonly string[],
): Promise<void> {
  const known = await peopleAmong(tx, orgId, userIds);
  if (userIds.every((id) => known.has(id))) return;
  throw invalidField(
    "assignees",
    "names a user who is no person of the organization",
    "unknown_id",
  );
}

function sourceOf({ actor }: CallerContext): Task["source"]["kind"] {
  if (actor.agent !== null) return "agent";
  return isPerson(actor) && actor.key === null ? "person" : "api";
}

/** Makes a title from the first line of a text. */
export function titleFrom(body: string): string {
  const line = body.trim().split("\n", 1)[0]?.trim() ?? "";
  return cut(line, MAX_TITLE);
}
