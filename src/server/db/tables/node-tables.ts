import {
  bigint,
  boolean,
  doublePrecision,
  integer,
  pgTable,
  text,
  uuid,
} from "drizzle-orm/pg-core";
import { createdAt, instant } from "./columns.js";

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
