import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { boolean, id, nullable, page, timestamp } from "../../contract/fields.js";
import { person } from "../code/merge-requests.js";
import { commitErrors } from "../workspace-errors.js";
import { commentText, place } from "./reviews.js";
import { taskParams } from "./tasks.js";

/** Maximum threads of a task. */
export const MAX_THREADS = 5000;
/** Maximum comments of a thread. */
export const MAX_THREAD_COMMENTS = 500;

const threadComment = z.strictObject({
  id: id.describe("Id of the comment"),
  author: person.describe("Who wrote it"),
  review_id: nullable.id.describe("The review that it is part of; null for a reply outside of one"),
  body: z.string().describe("Text of the comment; written by a user or an agent"),
  suggestion: nullable.string.describe("Text that should replace the lines; null without one"),
  created_at: timestamp.describe("Time of the comment"),
});

export const thread = z.strictObject({
  id: id.describe("Id of the thread"),
  task_id: id.describe("Id of the task"),
  attempt_id: id.describe("Id of the attempt it was written for"),
  ...place.shape,
  outdated: z
    .boolean()
    .describe("Whether its lines are gone from the newest commit; its place is then the original"),
  original: place
    .extend({
      commit_sha: z.string().describe("The commit it was written on"),
      text: nullable.string.describe("The commented lines; null for a whole file"),
    })
    .describe("Where it was written"),
  resolved_at: nullable.timestamp.describe("When it was resolved; null while it is open"),
  resolved_by: person.nullable().describe("Who resolved it; null while it is open"),
  resolved_without_change: z
    .boolean()
    .describe("Whether an agent resolved it without changing its file since the first comment"),
  suggestion: z
    .strictObject({
      comment_id: id.describe("Id of the comment with the suggestion"),
      text: z.string().describe("The text that should replace the lines"),
      state: z
        .enum(["open", "applied", "outdated"])
        .describe("`outdated`: the lines have changed, so it can no longer be applied"),
      commit_sha: nullable.string.describe("The commit that applied it; null before"),
    })
    .nullable()
    .describe("The newest suggestion; null without one"),
  comments: z.array(threadComment).describe("The comments, oldest first"),
  created_at: timestamp.describe("Time of the first comment"),
  updated_at: timestamp.describe("Time of the last change"),
});
export type Thread = z.output<typeof thread>;

const applied = z.strictObject({
  commit_sha: z.string().describe("The newest commit that was made"),
  commits: z.array(z.string()).describe("The commits, oldest first: one for each author in a row"),
  threads: z.array(thread).describe("The threads, now resolved"),
});
export type AppliedSuggestions = z.output<typeof applied>;

const threadParams = z.strictObject({ thread_id: id.describe("Id of the thread") });

const applyErrors = [
  "suggestion_stale",
  "no_suggestion",
  "task_finished",
  "attempt_archived",
  "run_in_progress",
  "workspace_busy",
  "unsaved_changes",
  "workspace_not_active",
  "workspace_expired",
  "repository_mismatch",
  ...commitErrors,
] as const;

export const threads = {
  list: endpoint({
    method: "GET",
    path: "/api/v1/tasks/{task_id}/threads",
    access: "project:task:read",
    tenant: "params.task_id",
    summary: "List the threads of a task at their places in the newest commit, oldest first",
    params: taskParams,
    query: page.extend({
      resolved: boolean.optional().describe("Only resolved threads, or only open ones"),
    }),
    response: z.array(thread),
  }),
  get: endpoint({
    method: "GET",
    path: "/api/v1/threads/{thread_id}",
    access: "project:task:read",
    summary: "Get a thread",
    params: threadParams,
    response: thread,
  }),
  reply: endpoint({
    method: "POST",
    path: "/api/v1/threads/{thread_id}/replies",
    access: "project:task:read",
    summary: "Reply in a thread: the task's own agent, or with `project:task:write`",
    status: 200,
    params: threadParams,
    body: z.strictObject({ body: commentText.describe("At most 64 KiB") }),
    response: thread,
    errors: ["too_many_comments"],
  }),
  update: endpoint({
    method: "PATCH",
    path: "/api/v1/threads/{thread_id}",
    access: "project:task:read",
    summary:
      "Resolve a thread, or open it again: the task's own agent, or with `project:task:write`",
    params: threadParams,
    body: z.strictObject({ resolved: z.boolean().describe("Whether it is resolved") }),
    response: thread,
  }),
  apply: endpoint({
    method: "POST",
    path: "/api/v1/threads/{thread_id}/apply",
    access: "project:task:write",
    summary: "Commit the suggestion of a thread in the workspace, and resolve the thread",
    status: 200,
    params: threadParams,
    response: applied,
    errors: applyErrors,
  }),
  applyAll: endpoint({
    method: "POST",
    path: "/api/v1/tasks/{task_id}/suggestions/apply",
    access: "project:task:write",
    tenant: "params.task_id",
    summary: "Commit the suggestions of several threads together: all of them, or none",
    status: 200,
    params: taskParams,
    body: z.strictObject({
      thread_ids: z
        .array(id)
        .min(1)
        .max(100)
        .refine((ids) => new Set(ids).size === ids.length, "must not name a thread twice")
        .describe("At most 100 threads with suggestions"),
    }),
    response: applied,
    errors: applyErrors,
  }),
};
