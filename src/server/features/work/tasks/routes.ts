import { z } from "zod";
import { tasks, type Task } from "#shared/api/work/tasks.js";
import { id } from "#shared/contract/fields.js";
import { notFound } from "../../../errors.js";
import { Answer, eventStream } from "../../../http/answers/answer.js";
import type { Handlers } from "../../../http/register-routes.js";
import { pagesOf } from "../../../http/requests/pagination.js";
import type { OrgContext } from "../../../http/requests/request-context.js";
import type { RunDeps } from "../../execution/runs/start.js";
import { cancelTask, previewCancel } from "./cancel-task.js";
import { changesCounter, comparePaths } from "./count-changes.js";
import { createTask } from "./create-task.js";
import { addAttempts, chooseAttempt, mergeTask, stopTask, updateTask } from "./direct-task.js";
import { promptTask, retryTask } from "./prompt-task.js";
import { releaseTask } from "./release-task.js";
import { listTaskIds } from "./queries/list-tasks.queries.js";
import { searched } from "./search-tasks.js";
import { openTaskEvents, type EventDeps } from "./task-events.js";
import { isVisible, presentTasks, readTask } from "./read-task.js";
import type { ReadAttempt } from "./queries/read-tasks.queries.js";

/** The position of a task in a list: the value that its order begins with, and its id. */
const byPosition = z.tuple([z.number(), id]);

export function taskHandlers(deps: RunDeps, eventDeps: EventDeps): Handlers<typeof tasks> {
  const countChanges = changesCounter(deps);
  const pages = pagesOf(tasks.list, byPosition);
  const allPages = pagesOf(tasks.listAll, byPosition);
  const read = (context: OrgContext, taskId: string): Promise<Task> =>
    readTask(context, taskId, countChanges);
  const listed = async (
    context: OrgContext,
    projectId: string | null,
    query: z.output<typeof tasks.list.query>,
    page: typeof pages,
  ): Promise<Answer<Task[]>> => {
    const { actor, orgId } = context;
    const { mine, sort, status, label, attention, q } = query;
    const scope = { orgId, projectId, ofAgent: actor.agent?.id ?? null };
    const filter = await searched(context, scope, q, {
      status,
      label,
      attention,
      ...(mine === true && { ownerId: actor.userId }),
    });
    const found = await page(context, query, {
      read: (after, limit) =>
        context.tx((tx) => listTaskIds(tx, scope, filter, sort, after, limit)),
      keyOf: (row) => [row.position, row.id] as const,
    });
    const ids = found.body.map((row) => row.id);
    const shown = await context.tx((tx) => presentTasks(tx, context, ids));
    return new Answer(
      shown.map(({ task }) => task),
      found.head,
    );
  };
  return {
    list: (context, { params, query }) => listed(context, params.project_id, query, pages),
    listAll: (context, { query }) => listed(context, null, query, allPages),
    create: async (context, { params, body }) =>
      read(context, await createTask(deps, context, params.project_id, body)),
    get: (context, { params }) => read(context, params.task_id),
    events: async (context, { params, query }) => {
      const { method, headers } = context.request;
      if (method === "HEAD") return eventStream(null);
      const resumed = headers["last-event-id"] ?? query.last_event_id;
      const lastEventId = typeof resumed === "string" ? resumed : undefined;
      return eventStream(await openTaskEvents(eventDeps, context, params.task_id, lastEventId));
    },
    update: async (context, { params, body }) => {
      await updateTask(context, params.task_id, body);
      return read(context, params.task_id);
    },
    delete: async (context, { params, query }) => {
      const loss = await previewCancel(context, params.task_id, countChanges);
      if (query.preview !== true) await cancelTask(deps, context, params.task_id);
      return loss;
    },
    addAttempts: async (context, { params, body }) => {
      await addAttempts(deps, context, params.task_id, body);
      return read(context, params.task_id);
    },
    compare: async (context, { params }) => {
      const found = await context.tx(async (tx) => {
        const [one] = await presentTasks(tx, context, [params.task_id]);
        return one && (await isVisible(tx, context.actor, params.task_id)) ? one : undefined;
      });
      if (!found) throw notFound();
      const isPresent = ({ status }: { status: string }): boolean => status !== "archived";
      const attempts = found.attempts.filter(isPresent);
      const shown = await Promise.all(
        found.task.attempts.filter(isPresent).map(async (attempt, index) => ({
          ...attempt,
          changes: await countChanges(attempts[index] as ReadAttempt, found.row),
        })),
      );
      return comparePaths(deps, found.row, attempts, shown);
    },
    choose: async (context, { params }) => {
      await chooseAttempt(deps, context, params.task_id, params.attempt_id);
      return read(context, params.task_id);
    },
    prompt: async (context, { params, body }) => {
      await promptTask(deps, context, params.task_id, body);
      return read(context, params.task_id);
    },
    stop: async (context, { params }) => {
      await stopTask(deps, context, params.task_id);
      return read(context, params.task_id);
    },
    retry: async (context, { params }) => {
      await retryTask(deps, context, params.task_id);
      return read(context, params.task_id);
    },
    release: async (context, { params }) => {
      await releaseTask(context, params.task_id);
      return read(context, params.task_id);
    },
    merge: async (context, { params }) => {
      await mergeTask(deps, context, params.task_id);
      return read(context, params.task_id);
    },
  };
}
