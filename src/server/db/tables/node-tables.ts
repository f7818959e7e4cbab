import {
  bigint,
  boolean,
  doublePrecision,
  integer,
  pgTable,
  text,
  uuid,
} from "drizzle-orm/pg-core";
import { createdAt, instant, bytes, clockTime } from "./columns.js";

/** Servers with data folders of their own; see the migration for the meaning of each column. */
export const nodes = pgTable("nodes", {
  id: uuid().primaryKey(),
  name: text().notNull(),
  url: text(),
  epoch: bigint({ mode: "number" }).notNull().default(1),
  lease_until: instant(),
  place: text(),
  host: text(),
  folder: text(),
  version: text(),
  started_at: instant(),
  draining: boolean().notNull().default(false),
  disk_total_bytes: bigint({ mode: "number" }),
  disk_free_bytes: bigint({ mode: "number" }),
  load: doublePrecision(),
  processors: integer(),
  runs_commands: boolean().notNull().default(true),
  adopted_by: text(),
  created_at: createdAt(),
});

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
