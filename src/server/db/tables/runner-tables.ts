import { boolean, integer, pgTable, text, uuid } from "drizzle-orm/pg-core";
import { bytes, clockTime, instant } from "./columns.js";

/** Machines and the cluster that take runs of workspaces without a folder; see the migration for the meaning of each column. */
export const runners = pgTable("runners", {
  id: uuid().primaryKey(),
  name: text().notNull(),
  org_id: uuid(),
  /** Null for the cluster. */
  token_hash: bytes(),
  kind: text({ enum: ["machine", "cluster"] })
    .notNull()
    .default("machine"),
  labels: text().array().notNull().default([]),
  networks: text().array().notNull().default([]),
  slots: integer().notNull().default(0),
  version: text(),
  host: text(),
  last_seen_at: instant(),
  paused: boolean().notNull().default(false),
  waiting_until: instant(),
  created_by: uuid(),
  created_at: clockTime(),
});
