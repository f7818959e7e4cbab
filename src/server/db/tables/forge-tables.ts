import { boolean, integer, jsonb, pgTable, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import { forgeDeliveryModes, forgeKinds, forgeStatuses } from "#shared/api/work/forges.js";
import {
  pullRequestStates,
  reviewDecisions,
  type PullRequest,
} from "#shared/api/work/pull-requests.js";
import { bytes, clockTime, instant } from "./columns.js";

export const forges = pgTable("forges", {
  id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  kind: text({ enum: forgeKinds }).notNull(),
  name: text().notNull(),
  url: text().notNull(),
  api_url: text().notNull(),
  auth: text({ enum: ["app", "token"] }).notNull(),
  app_id: text(),
  installation_id: text(),
  /** Of the OAuth client of an App that was made from the browser. */
  client_id: text(),
  account: text().notNull(),
  sealed: bytes().notNull(),
  status: text({ enum: forgeStatuses }).notNull().default("ok"),
  status_reason: text(),
  /** Until when the forge asks for no requests. */
  retry_at: instant(),
  delivery: text({ enum: forgeDeliveryModes }).notNull().default("polling"),
  /** Verifies events; encrypted with the installation's secret. */
  sealed_webhook_secret: bytes(),
  /** The name of the App, for mentions; null for tokens, whose account it is, and while it is unknown. */
  bot_name: text(),
  last_event_at: instant(),
  created_at: clockTime(),
  updated_at: clockTime(),
});

export const projectRepositories = pgTable("project_repositories", {
  project_id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  forge_id: uuid().notNull(),
  name: text().notNull(),
  web_url: text().notNull(),
  branch_template: text(),
  body_template: text(),
  linked_at: clockTime(),
  hook_id: text(),
  /** Why no hook could be registered. */
  hook_error: text(),
  /** Until when issues were read. */
  issues_until: instant(),
  /** The highest number of an issue that was there when the project was linked; null until that was read. */
  first_issues: integer(),
  /** When it is read next, and when a change was found last. */
  poll_at: instant(),
  active_at: instant(),
});

export const pullRequests = pgTable("pull_requests", {
  id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  project_id: uuid().notNull(),
  task_id: uuid().notNull(),
  attempt_id: uuid().notNull(),
  forge_id: uuid(),
  repository: text().notNull(),
  number: integer(),
  url: text(),
  state: text({ enum: pullRequestStates }).notNull().default("opening"),
  title: text().notNull(),
  body: text().notNull(),
  draft: boolean().notNull(),
  labels: text().array().notNull().default([]),
  reviewers: text().array().notNull().default([]),
  base: text().notNull(),
  head: text().notNull(),
  /** The commit that is being pushed, stored before the push. */
  pushing_sha: text(),
  /** The last commit that arrived at the forge. */
  pushed_sha: text(),
  auto_update: boolean().notNull().default(true),
  head_sha: text(),
  review_decision: text({ enum: reviewDecisions }),
  checks: jsonb().$type<PullRequest["checks"]>().notNull().default([]),
  mergeable: boolean(),
  comments: integer().notNull().default(0),
  merged_sha: text(),
  merged_at: instant(),
  /** When its task was finished after the merge. */
  finished_at: instant(),
  error: text(),
  checked_at: instant(),
  created_at: clockTime(),
  updated_at: clockTime(),
});

export const forgePeople = pgTable(
  "forge_people",
  {
    org_id: uuid().notNull(),
    forge_id: uuid().notNull(),
    /** In lower case. */
    login: text().notNull(),
    user_id: uuid().notNull(),
    how: text({ enum: ["linked", "set"] }).notNull(),
    created_at: clockTime(),
  },
  ({ forge_id, login }) => [primaryKey({ columns: [forge_id, login] })],
);

export const forgeHandshakes = pgTable("forge_handshakes", {
  /** SHA-256 of the state. */
  id: text().primaryKey(),
  org_id: uuid().notNull(),
  user_id: uuid().notNull(),
  session_id: uuid().notNull(),
  step: text({ enum: ["manifest", "install", "link"] }).notNull(),
  forge_id: uuid().notNull(),
  url: text().notNull(),
  api_url: text().notNull(),
  sealed: bytes(),
  installation_id: text(),
  tries: integer().notNull().default(0),
  expires_at: instant().notNull(),
});
