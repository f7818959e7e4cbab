import { boolean, integer, jsonb, pgTable, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import { taskPriorities, taskTrusts, type Task, type TaskStatus } from "#shared/api/work/tasks.js";
import type { PresetName } from "#shared/execution/run-choices.js";
import type { Origin } from "../audit/audit.js";
import { clockTime, instant } from "./columns.js";

/** Tasks and the attempts at them. `db/migrations/0077_tasks.sql` derives `status`, `attention` and `urgency`. */

/** The choices for the session of an attempt, and its first prompt. */
export interface AttemptLaunch {
  preset: PresetName;
  command?: string[] | undefined;
  model?: string | undefined;
  network?: "none" | "restricted" | "full" | undefined;
  allowed_hosts?: string[] | undefined;
  prompt: string;
}

/** Why something could not start. */
export interface StartError {
  code: string;
  detail: string;
  at: string;
}

export const tasks = pgTable("tasks", {
  id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  project_id: uuid().notNull(),
  parent_task_id: uuid(),
  number: integer().notNull(),
  title: text().notNull(),
  body: text().notNull(),
  owner_id: uuid(),
  labels: text().array().notNull().default([]),
  priority: text({ enum: taskPriorities }).notNull().default("normal"),
  source: jsonb().$type<Task["source"]>().notNull(),
  created_by: jsonb().$type<Task["created_by"]>().notNull(),
  /** The request on whose behalf attempts start. */
  origin: jsonb().$type<Origin>().notNull(),
  /** Starts once the dependencies are done; null if nothing does by itself. */
  launch: jsonb().$type<AttemptLaunch & { attempts: number }>(),
  start_error: jsonb().$type<StartError>(),
  is_undone: boolean().notNull().default(false),
  trust: text({ enum: taskTrusts }).notNull().default("trusted"),
  /** Since when it waits for a person who releases it. */
  held_since: instant(),
  chosen_attempt_id: uuid(),
  resolution: text({ enum: ["done", "cancelled"] }),
  status: text().$type<TaskStatus>().notNull().default("open"),
  attention: jsonb().$type<Omit<NonNullable<Task["attention"]>, "link">>(),
  urgency: integer().notNull().default(100),
  created_at: clockTime(),
  updated_at: clockTime(),
  finished_at: instant(),
});

export const taskDependencies = pgTable(
  "task_dependencies",
  { task_id: uuid().notNull(), depends_on: uuid().notNull(), org_id: uuid().notNull() },
  (table) => [primaryKey({ columns: [table.task_id, table.depends_on] })],
);

export const taskAssignees = pgTable(
  "task_assignees",
  { task_id: uuid().notNull(), user_id: uuid().notNull(), org_id: uuid().notNull() },
  (table) => [primaryKey({ columns: [table.task_id, table.user_id] })],
);

export const taskAttempts = pgTable("task_attempts", {
  id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  task_id: uuid().notNull(),
  number: integer().notNull(),
  agent_id: uuid().notNull(),
  session_id: uuid().notNull(),
  preset: text().$type<PresetName>().notNull(),
  launch: jsonb().$type<AttemptLaunch>().notNull(),
  start_error: jsonb().$type<StartError>(),
  stopped_at: instant(),
  archived_at: instant(),
  created_at: clockTime(),
});
