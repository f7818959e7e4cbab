import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { id, nullable, page, timestamp } from "../../contract/fields.js";
import { reviewerNames } from "../../execution/run-choices.js";
import { person } from "../code/merge-requests.js";
import { opinionPrompt } from "../code/protected-branches.js";
import { model } from "../execution/runs.js";
import { commentText, MAX_REVIEW_COMMENTS, newComment, plain, review } from "./reviews.js";
import { taskParams } from "./tasks.js";

/** Maximum second opinions of a task, and of those that have not ended. */
export const MAX_OPINIONS = 50;
export const MAX_OPEN_OPINIONS = 5;

export const opinionStatuses = ["queued", "running", "done", "failed", "cancelled"] as const;

/** What an agent may say: it approves nothing. */
export const opinionVerdicts = ["comment", "request_changes"] as const;

export const opinion = z.strictObject({
  id: id.describe("Id of the second opinion; the author of its review has it, too"),
  task_id: id.describe("Id of the task"),
  attempt_id: id.describe("Id of the reviewed attempt"),
  preset: z.enum(reviewerNames).describe("The program that reviews"),
  title: z.string().describe("Name of the program, for people"),
  model: nullable.string.describe("The model; null for the program's default"),
  prompt: z.string().describe("What it was asked to look at, beside the change; may be empty"),
  required: z.boolean().describe("Whether a protected branch requires it"),
  commit_sha: z.string().describe("The reviewed commit"),
  base_sha: z.string().describe("The commit that the change was compared with"),
  current: z
    .boolean()
    .describe("Whether it is about the change as it is now; a move of the target alone keeps it"),
  status: z.enum(opinionStatuses).describe("Its state; `done` once its review is published"),
  detail: nullable.string.describe("Why it waits, has failed or was canceled; null otherwise"),
  run_id: nullable.id.describe("Its newest run; null before the first"),
  review_id: nullable.id.describe("The published review; null before"),
  verdict: z.enum(opinionVerdicts).nullable().describe("What the review says; null before"),
  summary: nullable.string.describe("Text of the review, written by the agent; null before"),
  open_threads: z.int().describe("Threads of its review that are not resolved"),
  blocks: nullable.string.describe(
    "Why it holds up a merge that requires it, as a sentence; null if it does not",
  ),
  cost_usd: z.number().describe("What its newest run has cost; part of the task's cost"),
  dismissed: z
    .strictObject({
      by: person.describe("Who dismissed it"),
      reason: z.string().describe("Why it was dismissed"),
      at: timestamp.describe("When"),
    })
    .nullable()
    .describe("Set once a person has dismissed it, so that it holds up no merge; null otherwise"),
  requested_by: person.nullable().describe("Who asked; null for a protected branch"),
  created_at: timestamp.describe("When it was asked for"),
  started_at: nullable.timestamp.describe("When its newest run started; null before"),
  ended_at: nullable.timestamp.describe("When it ended; null before"),
});
export type Opinion = z.output<typeof opinion>;

const newOpinion = z.strictObject({
  preset: z.enum(reviewerNames).describe("The program that reviews"),
  model: model.optional().describe("The model; by default the program's own"),
  prompt: opinionPrompt
    .default("")
    .describe("What it should look at, beside the change as a whole; at most 4096 bytes"),
  attempt_id: id.optional().describe("The attempt, if there are several and none is chosen"),
});
export type NewOpinion = z.output<typeof newOpinion>;

export const opinionReview = z
  .strictObject({
    verdict: z.enum(opinionVerdicts).describe("An agent's review approves nothing"),
    body: plain.describe("Summary of the review, at most 64 KiB; may be empty beside comments"),
    comments: z
      .array(
        newComment.refine(({ thread_id }) => thread_id === undefined, {
          path: ["thread_id"],
          error: "must be left out: a second opinion starts threads of its own",
        }),
      )
      .max(MAX_REVIEW_COMMENTS)
      .default([])
      .describe("Comments on lines and files of the reviewed commit, at most 500"),
  })
  .refine(({ body, comments }) => comments.length > 0 || body.trim() !== "", {
    path: ["body"],
    error: "must not be empty without comments",
  })
  .refine(({ verdict, comments }) => verdict === "comment" || comments.length > 0, {
    path: ["comments"],
    error: "must say what to change",
  });
export type OpinionReview = z.output<typeof opinionReview>;

const opinionParams = z.strictObject({ opinion_id: id.describe("Id of the second opinion") });

export const opinions = {
  list: endpoint({
    method: "GET",
    path: "/api/v1/tasks/{task_id}/opinions",
    access: "project:task:read",
    tenant: "params.task_id",
    summary: "List the second opinions of a task, newest first",
    params: taskParams,
    query: page,
    response: z.array(opinion),
  }),
  ask: endpoint({
    method: "POST",
    path: "/api/v1/tasks/{task_id}/opinions",
    access: "project:task:write",
    tenant: "params.task_id",
    summary: "Ask an agent for a second opinion on the changes of a task",
    status: 201,
    params: taskParams,
    body: newOpinion,
    response: opinion,
    location: "/api/v1/opinions/{id}",
    errors: [
      "run_token_starts_no_runs",
      "task_finished",
      "no_attempt",
      "attempt_archived",
      "nothing_to_review",
      "too_many_opinions",
      "sandbox_unavailable",
      "network_not_isolated",
      "program_missing",
      "missing_model_key",
      "workspace_not_active",
    ],
  }),
  get: endpoint({
    method: "GET",
    path: "/api/v1/opinions/{opinion_id}",
    access: "project:task:read",
    summary: "Get a second opinion",
    params: opinionParams,
    response: opinion,
  }),
  retry: endpoint({
    method: "POST",
    path: "/api/v1/opinions/{opinion_id}/retry",
    access: "project:task:write",
    summary: "Run a second opinion again that has failed or was canceled",
    status: 200,
    params: opinionParams,
    response: opinion,
    errors: ["run_token_starts_no_runs", "task_finished", "opinion_open", "too_many_opinions"],
  }),
  cancel: endpoint({
    method: "POST",
    path: "/api/v1/opinions/{opinion_id}/cancel",
    access: "project:task:write",
    summary: "Stop a second opinion that has not ended",
    status: 200,
    params: opinionParams,
    response: opinion,
    errors: ["opinion_ended"],
  }),
  dismiss: endpoint({
    method: "POST",
    path: "/api/v1/opinions/{opinion_id}/dismiss",
    access: "project:approve",
    summary: "Dismiss a second opinion with a reason, so that it no longer holds up a merge",
    status: 200,
    params: opinionParams,
    body: z.strictObject({
      reason: commentText.max(1000).describe("Why, at most 1000 characters"),
    }),
    response: opinion,
    errors: ["opinion_open", "own_work"],
  }),
  publish: endpoint({
    method: "POST",
    path: "/api/v1/opinions/{opinion_id}/review",
    access: "project:task:read",
    summary: "Publish the review of a second opinion, once: only its own run does",
    status: 200,
    params: opinionParams,
    body: opinionReview,
    response: review,
    errors: ["opinion_ended", "too_many_threads"],
  }),
};
