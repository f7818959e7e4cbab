import { doublePrecision, integer, jsonb, pgTable, text, uuid } from "drizzle-orm/pg-core";
import type { AutomationAction, Condition, Trigger } from "#shared/api/work/automation-parts.js";
import { automationStatuses, overlaps } from "#shared/work/automation-choices.js";
import type { Origin } from "../audit/audit.js";
import { bytes, clockTime, instant } from "./columns.js";

/** Automations and their firings, which `db/migrations/0086_automations.sql` also adds for events of the product. */

/** An event as a firing stores it. */
export interface StoredEvent {
  trust: "trusted" | "untrusted";
  /** The person or program that caused it. */
  by: string | null;
  /** What templates and filters see; null once it is decided and they are large. */
  values: Record<string, unknown> | null;
}

export const automations = pgTable("automations", {
  id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  project_id: uuid().notNull(),
  name: text().notNull(),
  status: text({ enum: automationStatuses }).notNull(),
  status_reason: text(),
  triggers: jsonb().$type<Trigger[]>().notNull(),
  /** The types of events among the triggers. */
  event_types: text().array().notNull(),
  filter: jsonb().$type<Condition[]>().notNull(),
  action: jsonb().$type<AutomationAction>().notNull(),
  /** The author of the last change. */
  owner_id: uuid(),
  service_account_id: uuid(),
  /** The request that saved it last. */
  origin: jsonb().$type<Origin>().notNull(),
  per_day: integer().notNull(),
  at_once: integer().notNull(),
  cost_usd_per_day: doublePrecision(),
  overlap: text({ enum: overlaps }).notNull(),
  token_hash: bytes(),
  sealed_secret: bytes(),
  next_at: instant(),
  last_fired_at: instant(),
  created_at: clockTime(),
  updated_at: clockTime(),
});

export const automationFirings = pgTable("automation_firings", {
  id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  project_id: uuid().notNull(),
  automation_id: uuid().notNull(),
  event_id: text().notNull(),
  type: text().notNull(),
  event: jsonb().$type<StoredEvent>().notNull(),
  at: clockTime(),
  chain: integer().notNull().default(1),
  event_task_id: uuid(),
  /** `acting`: decided, and its prompt is being sent. */
  decision: text({
    enum: ["pending", "acting", "queued", "fired", "skipped", "refused", "failed"],
  })
    .notNull()
    .default("pending"),
  reason: text(),
  task_id: uuid(),
  claimed_until: instant(),
  created_at: clockTime(),
  decided_at: instant(),
});
