import { boolean, integer, jsonb, pgTable, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import {
  deliveryDecisions,
  deliverySources,
  deliveryStatuses,
} from "#shared/api/work/forge-deliveries.js";
import { clockTime, instant } from "./columns.js";

/** Events of forges, and what the server keeps there. */

/** The subject of an event, as `IncomingEvent` has it. */
export type DeliverySubject =
  | { kind: "issue" | "pull_request"; number: number }
  | { kind: "commit"; sha: string }
  | { kind: "branch"; name: string };

export const forgeDeliveries = pgTable("forge_deliveries", {
  id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  forge_id: uuid().notNull(),
  /** Null if no project is linked to the repository. */
  project_id: uuid(),
  delivery_id: text().notNull(),
  source: text({ enum: deliverySources }).notNull(),
  event: text().notNull(),
  repository: text(),
  subject: jsonb().$type<DeliverySubject>(),
  number: integer(),
  login: text(),
  is_bot: boolean().notNull().default(false),
  status: text({ enum: deliveryStatuses }).notNull(),
  decision: text({ enum: deliveryDecisions }).notNull().default("waiting"),
  reason: text(),
  task_id: uuid(),
  attempts: integer().notNull().default(0),
  next_attempt_at: clockTime(),
  received_at: clockTime(),
  finished_at: instant(),
});

/** The last seen state of an issue or a pull request. */
export interface SeenState {
  /** The forge's time of the last change; null for a pull request. */
  changed_at: string | null;
  labels: string[];
  assignees: string[];
  /** How often each label was added and each person assigned, by `label …` and `assignee …`. */
  counts: Record<string, number>;
  /** Until when comments were read, and the ids of those about that time. */
  comments_until: string | null;
  comment_ids: string[];
  review_ids: string[];
  /** Checks that were red, by commit; only the newest one is kept. */
  red: { sha: string; names: string[] } | null;
}

export const forgeSeen = pgTable(
  "forge_seen",
  {
    project_id: uuid().notNull(),
    kind: text({ enum: ["issue", "pull_request"] }).notNull(),
    number: integer().notNull(),
    org_id: uuid().notNull(),
    state: jsonb().$type<SeenState>().notNull(),
    /** Logins that were answered how to link an account. */
    answered: text().array().notNull().default([]),
    /** Automatic events after each other, without a person in between. */
    chain: integer().notNull().default(0),
    seen_at: clockTime(),
  },
  (table) => [primaryKey({ columns: [table.project_id, table.kind, table.number] })],
);

export const taskIssues = pgTable("task_issues", {
  task_id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  project_id: uuid().notNull(),
  forge_id: uuid(),
  repository: text().notNull(),
  number: integer().notNull(),
  url: text().notNull(),
  comment_id: text(),
  /** The shown text of the comment. */
  shown: text(),
  retry_at: instant(),
  created_at: clockTime(),
});

export const forgeQuestions = pgTable(
  "forge_questions",
  {
    task_id: uuid().notNull(),
    asked_at: instant().notNull(),
    org_id: uuid().notNull(),
    kind: text({ enum: ["issue", "pull_request"] }).notNull(),
    number: integer().notNull(),
    comment_id: text(),
    answered_at: instant(),
  },
  (table) => [primaryKey({ columns: [table.task_id, table.asked_at] })],
);

export const forgeThreads = pgTable("forge_threads", {
  thread_id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  pull_request_id: uuid().notNull(),
  remote_id: text(),
  url: text(),
  /** The state that both sides had last. */
  resolved: boolean().notNull().default(false),
});

export const forgeComments = pgTable("forge_comments", {
  comment_id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  pull_request_id: uuid().notNull(),
  remote_id: text(),
  url: text(),
  /** The author there; null for comments that were written here. */
  login: text(),
});

export const forgeStatuses = pgTable("forge_statuses", {
  pull_request_id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  shown: text().notNull(),
});
