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
import { sql } from "drizzle-orm";
import type { Organization } from "#shared/api/organization/organizations.js";
import { bytes, createdAt, instant } from "./columns.js";

/**
 * Users and their credentials. `db/migrations` creates the tables; column names match the wire format.
 */

type Json = Organization["settings"];

export const users = pgTable("users", {
  id: uuid().primaryKey(),
  /** Null for a service account. */
  email: text(),
  full_name: text(),
  department: text(),
  attributes: jsonb().$type<Json>().notNull().default({}),
  is_active: boolean().notNull().default(true),
  is_verified: boolean().notNull().default(false),
  /** The address is verified, but the password may have been chosen by another person. */
  password_unproven: boolean().notNull().default(false),
  is_super_admin: boolean().notNull().default(false),
  created_at: createdAt(),
  updated_at: createdAt(),
  last_login_at: instant(),
  /** The row of a deleted user contains no personal data. */
  deleted_at: instant(),
  kind: text({ enum: ["person", "service"] })
    .notNull()
    .default("person"),
});

/** The address of a user who is a person. */
export const personEmail = sql<string>`${users.email}`;
/** Whether a user is a person. */
export const isPersonRow = sql`${users.kind} = 'person'`;
/** A user's kind as responses name it. */
export const userKind = sql<"user" | "service_account">`case ${users.kind}
  when 'service' then 'service_account' else 'user' end`;

export const accounts = pgTable("accounts", {
  id: uuid().primaryKey(),
  user_id: uuid().notNull(),
  provider_id: text().notNull(),
  account_id: text().notNull(),
  password_hash: text(),
  created_at: createdAt(),
  updated_at: createdAt(),
});

export const sessions = pgTable("sessions", {
  id: uuid().primaryKey(),
  user_id: uuid().notNull(),
  generation: integer().notNull().default(0),
  ip: text(),
  user_agent: text(),
  created_at: createdAt(),
  last_used_at: createdAt(),
  expires_at: instant().notNull(),
  revoked_at: instant(),
});

export const totpSecrets = pgTable("totp_secrets", {
  user_id: uuid().primaryKey(),
  sealed_secret: bytes().notNull(),
  confirmed_at: instant(),
  last_step: bigint({ mode: "number" }).notNull().default(0),
  created_at: createdAt(),
});

export const recoveryCodes = pgTable(
  "recovery_codes",
  {
    user_id: uuid().notNull(),
    code_hash: bytes().notNull(),
    used_at: instant(),
  },
  (table) => [primaryKey({ columns: [table.user_id, table.code_hash] })],
);

export const passkeys = pgTable("passkeys", {
  id: uuid().primaryKey(),
  user_id: uuid().notNull(),
  name: text().notNull(),
  credential_id: text().notNull(),
  public_key: bytes().notNull(),
  counter: bigint({ mode: "number" }).notNull(),
  transports: text().array().notNull(),
  backed_up: boolean().notNull(),
  created_at: createdAt(),
  last_used_at: instant(),
});

export const usedChallenges = pgTable("used_challenges", {
  id: uuid().primaryKey(),
  expires_at: instant().notNull(),
});

export const rateLimits = pgTable(
  "rate_limits",
  {
    bucket: text().notNull(),
    window_start: instant().notNull(),
    hits: integer().notNull(),
  },
  (table) => [primaryKey({ columns: [table.bucket, table.window_start] })],
);

export const emailTokens = pgTable(
  "email_tokens",
  {
    user_id: uuid().notNull(),
    purpose: text({ enum: ["verify", "reset"] }).notNull(),
    token_hash: bytes().notNull(),
    email: text().notNull(),
    created_at: createdAt(),
    expires_at: instant().notNull(),
  },
  (table) => [primaryKey({ columns: [table.user_id, table.purpose] })],
);

export const deviceLogins = pgTable("device_logins", {
  id: uuid().primaryKey(),
  device_code_hash: bytes().notNull(),
  user_code_hash: bytes().notNull(),
  client_name: text(),
  ip: text().notNull(),
  user_agent: text(),
  created_at: createdAt(),
  expires_at: instant().notNull(),
  poll_interval: integer().notNull(),
  polled_at: instant(),
  status: text({ enum: ["pending", "approved", "denied"] })
    .notNull()
    .default("pending"),
  /** The person who answered, with the session and the lifetime of the key. */
  user_id: uuid(),
  session_id: uuid(),
  key_days: integer(),
});
