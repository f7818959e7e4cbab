import {
  bigint,
  boolean,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  uuid,
} from "drizzle-orm/pg-core";
import { reviewerNames } from "#shared/execution/run-choices.js";
import { opinionStatuses, type Opinion } from "#shared/api/work/opinions.js";
import { sides, verdicts, type NewComment, type Review } from "#shared/api/work/reviews.js";
import type { Origin } from "../audit/audit.js";
import { clockTime, instant } from "./columns.js";

/** Reviews of the changes of tasks, with their threads. */

export const reviews = pgTable("reviews", {
  id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  task_id: uuid().notNull(),
  attempt_id: uuid().notNull(),
  author: jsonb().$type<Review["author"]>().notNull(),
  verdict: text({ enum: verdicts }).notNull(),
  body: text().notNull(),
  commit_sha: text().notNull(),
  base_sha: text().notNull(),
  patch_id: text(),
  /** Null if the agent gets no prompt. A pending prompt is sent after a restart. */
  prompt_state: text({ enum: ["pending", "sent", "failed"] }),
  interrupts: boolean().notNull().default(false),
  input_number: bigint({ mode: "number" }),
  /** The request on whose behalf the prompt is sent. */
  origin: jsonb().$type<Origin>().notNull(),
  created_at: clockTime(),
});

export const reviewDrafts = pgTable(
  "review_drafts",
  {
    task_id: uuid().notNull(),
    reviewer_id: uuid().notNull(),
    org_id: uuid().notNull(),
    attempt_id: uuid().notNull(),
    verdict: text({ enum: verdicts }).notNull(),
    body: text().notNull(),
    comments: jsonb().$type<NewComment[]>().notNull(),
    commit_sha: text().notNull(),
    base_sha: text().notNull(),
    updated_at: clockTime(),
  },
  (table) => [primaryKey({ columns: [table.task_id, table.reviewer_id] })],
);

export const reviewThreads = pgTable("review_threads", {
  id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  task_id: uuid().notNull(),
  attempt_id: uuid().notNull(),
  review_id: uuid().notNull(),
  path: text().notNull(),
  side: text({ enum: sides }).notNull(),
  start_line: integer(),
  line: integer(),
  /** The commit with these lines: for the old side, the merge base then. */
  commit_sha: text().notNull(),
  text: text(),
  resolved_at: instant(),
  resolved_by: jsonb().$type<Review["author"]>(),
  created_at: clockTime(),
  updated_at: clockTime(),
});

export const reviewComments = pgTable("review_comments", {
  id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  thread_id: uuid().notNull(),
  review_id: uuid(),
  author: jsonb().$type<Review["author"]>().notNull(),
  body: text().notNull(),
  suggestion: text(),
  applied_sha: text(),
  created_at: clockTime(),
});

export const viewedFiles = pgTable(
  "viewed_files",
  {
    reviewer_id: uuid().notNull(),
    task_id: uuid().notNull(),
    org_id: uuid().notNull(),
    path: text().notNull(),
    blob_id: text().notNull(),
    viewed_at: clockTime(),
  },
  (table) => [primaryKey({ columns: [table.reviewer_id, table.task_id, table.path] })],
);

/** Reviews of agents: asked for by people, or required by protected branches. */
export const opinions = pgTable("opinions", {
  id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  project_id: uuid().notNull(),
  task_id: uuid().notNull(),
  attempt_id: uuid().notNull(),
  /** The agent whose work is reviewed. */
  agent_id: uuid().notNull(),
  preset: text({ enum: reviewerNames }).notNull(),
  model: text(),
  prompt: text().notNull(),
  required: boolean().notNull(),
  commit_sha: text().notNull(),
  base_sha: text().notNull(),
  patch_id: text(),
  status: text({ enum: opinionStatuses }).notNull().default("queued"),
  detail: text(),
  run_id: uuid(),
  /** Starts whose servers died. */
  attempts: integer().notNull().default(0),
  review_id: uuid(),
  dismissed: jsonb().$type<NonNullable<Opinion["dismissed"]>>(),
  requested_by: jsonb().$type<NonNullable<Opinion["requested_by"]>>(),
  origin: jsonb().$type<Origin>().notNull(),
  created_at: clockTime(),
  started_at: instant(),
  ended_at: instant(),
});
