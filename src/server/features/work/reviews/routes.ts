import { reviews } from "#shared/api/work/reviews.js";
import { threads } from "#shared/api/work/threads.js";
import type { Handlers } from "../../../http/register-routes.js";
import { byId, pagesOf } from "../../../http/requests/pagination.js";
import { Answer } from "../../../http/answers/answer.js";
import { listChecksOfChange } from "../../code/workspaces/index.js";
import type { RunDeps } from "../../execution/runs/start.js";
import { readAttempts } from "../tasks/index.js";
import { applySuggestions } from "./apply-suggestions.js";
import { replyToThread, resolveThread } from "./change-thread.js";
import { presentThreads, readThread } from "./present-threads.js";
import { publishReview } from "./publish-review.js";
import { readChanges } from "./read-changes.js";
import { readFile } from "./read-file.js";
import { listReviews } from "./read-reviews.js";
import { findTask, readReviewed } from "./reviewed-attempt.js";
import { deleteDraft, readDraft, saveDraft } from "./save-draft.js";
import { searchChanges } from "./search-changes.js";
import { setViewed } from "./set-viewed.js";
import * as queries from "./threads.queries.js";

export function reviewHandlers(deps: RunDeps): Handlers<typeof reviews> {
  const pages = pagesOf(reviews.list, byId);
  return {
    changes: (context, { params, query }) => readChanges(deps, context, params.task_id, query),
    file: (context, { params, query }) => readFile(deps, context, params.task_id, query),
    search: (context, { params, query }) => searchChanges(deps, context, params.task_id, query),
    checks: async (context, { params, query }) => {
      const { attempt, head } = await readReviewed(deps, context, params.task_id, query.attempt_id);
      return context.tx((tx) => listChecksOfChange(tx, { agent_id: attempt.agent_id, head }));
    },
    list: (context, { params, query }) =>
      pages(context, query, {
        read: (after, limit) =>
          listReviews(deps, context, params.task_id, after?.[0] ?? null, limit),
        keyOf: ({ id }) => [id] as const,
      }),
    publish: (context, { params, body }) => publishReview(deps, context, params.task_id, body),
    getDraft: (context, { params }) => readDraft(deps, context, params.task_id),
    saveDraft: (context, { params, body }) => saveDraft(deps, context, params.task_id, body),
    deleteDraft: async (context, { params }) => {
      await deleteDraft(context, params.task_id);
      return undefined;
    },
    setViewed: (context, { params, body }) => setViewed(deps, context, params.task_id, body),
  };
}

export function threadHandlers(deps: RunDeps): Handlers<typeof threads> {
  const pages = pagesOf(threads.list, byId);
  return {
    list: async (context, { params, query }) => {
      const { task_id } = params;
      const { task, attempts } = await context.tx(async (tx) => ({
        task: await findTask(tx, context, task_id),
        attempts: await readAttempts(tx, [task_id]),
      }));
      const found = await pages(context, query, {
        read: (after, limit) =>
          context.tx((tx) =>
            queries.listThreads(tx, task_id, query.resolved, after?.[0] ?? null, limit),
          ),
        keyOf: ({ id }) => [id] as const,
      });
      return new Answer(await presentThreads(deps, task, attempts, found.body), found.head);
    },
    get: (context, { params }) => readThread(deps, context, params.thread_id),
    reply: (context, { params, body }) => replyToThread(deps, context, params.thread_id, body.body),
    update: (context, { params, body }) =>
      resolveThread(deps, context, params.thread_id, body.resolved),
    apply: (context, { params }) => applySuggestions(deps, context, null, [params.thread_id]),
    applyAll: (context, { params, body }) =>
      applySuggestions(deps, context, params.task_id, body.thread_ids),
  };
}
