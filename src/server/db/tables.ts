import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  doublePrecision,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  smallint,
  text,
  uuid,
} from "drizzle-orm/pg-core";
import type { AuditEvent } from "#shared/api/audit.js";
import type { Organization } from "#shared/api/organizations.js";
import type { Run, RunLimits } from "#shared/api/runs.js";
import type { FetchReport } from "#shared/api/projects.js";
import type { Commit } from "#shared/api/commits.js";
import type { Merge, MergeStrategy } from "#shared/api/merges.js";
import type { ErrorCode } from "#shared/errors.js";
import type { Decision } from "../git/merge.js";
import type { Origin } from "./audit.js";
import { bytes, instant } from "./columns.js";

/** The tables as `db/migrations` makes them. Column names are those of the wire. */

type Json = Organization["settings"];

const createdAt = () =>
  instant()
    .notNull()
    .default(sql`now()`);

export const users = pgTable("users", {
  id: uuid().primaryKey(),
  email: text().notNull(),
  full_name: text(),
  department: text(),
  attributes: jsonb().$type<Json>().notNull().default({}),
  is_active: boolean().notNull().default(true),
  is_verified: boolean().notNull().default(false),
  is_super_admin: boolean().notNull().default(false),
  created_at: createdAt(),
  updated_at: createdAt(),
  last_login_at: instant(),
});

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

export const organizations = pgTable("organizations", {
  id: uuid().primaryKey(),
  name: text().notNull(),
  slug: text().notNull(),
  description: text(),
  owner_id: uuid().notNull(),
  billing_email: text(),
  max_concurrent_agents: integer().notNull().default(5),
  max_agent_runtime_hours: doublePrecision().notNull().default(100),
  settings: jsonb().$type<Json>().notNull().default({}),
  created_at: createdAt(),
  updated_at: createdAt(),
  archived_at: instant(),
  hours_warned_at: instant(),
  hours_warned_limit: doublePrecision(),
});

export const organizationSlugs = pgTable("organization_slugs", {
  slug: text().primaryKey(),
  org_id: uuid().notNull(),
});

export const roles = pgTable("roles", {
  id: uuid().primaryKey(),
  org_id: uuid(),
  name: text().notNull(),
  description: text(),
  permissions: text().array().notNull(),
  inherits_from: uuid(),
  created_at: createdAt(),
});

export const projects = pgTable("projects", {
  id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  name: text().notNull(),
  slug: text().notNull(),
  description: text(),
  default_branch: text().notNull(),
  import_url: text(),
  status: text({ enum: ["importing", "ready", "failed"] }).notNull(),
  progress: smallint().notNull().default(0),
  error: text(),
  imported_at: instant(),
  deleted_at: instant(),
  removed_at: instant(),
  created_at: createdAt(),
  updated_at: createdAt(),
});

/** What is under way with an upstream: a branch to push, at this commit; or a fetch. */
export interface UpstreamAct {
  /** Tells it from one that is begun after it was cancelled. */
  id: string;
  origin: Origin;
  push: { branch: string; commit: string } | null;
}

export const upstreams = pgTable("upstreams", {
  project_id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  status: text({ enum: ["idle", "fetching", "pushing", "failed"] }).notNull(),
  progress: smallint().notNull().default(0),
  error: text(),
  act: jsonb().$type<UpstreamAct>(),
  last_fetch: jsonb().$type<FetchReport>(),
  host_key: text(),
  fetched_at: instant(),
  pushed_at: instant(),
});

export const upstreamCredentials = pgTable("upstream_credentials", {
  project_id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  kind: text({ enum: ["https_token", "ssh_key"] }).notNull(),
  username: text(),
  hint: text(),
  public_key: text(),
  fingerprint: text(),
  sealed: bytes().notNull(),
  set_at: createdAt(),
  set_by: uuid(),
});

export const agents = pgTable("agents", {
  id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  project_id: uuid().notNull(),
  name: text().notNull(),
  description: text(),
  parent_agent_id: uuid(),
  terminated_at: instant(),
  name_released: boolean().notNull().default(false),
  created_at: createdAt(),
  updated_at: createdAt(),
});

export const memberships = pgTable("memberships", {
  id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  user_id: uuid(),
  agent_id: uuid(),
  role_id: uuid().notNull(),
  invited_by: uuid(),
  joined_at: createdAt(),
});

export const invitations = pgTable("invitations", {
  id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  email: text().notNull(),
  role_id: uuid(),
  role_name: text().notNull(),
  token_hash: bytes().notNull(),
  invited_by: uuid(),
  created_at: createdAt(),
  expires_at: instant().notNull(),
  accepted_at: instant(),
  revoked_at: instant(),
});

export const workspaces = pgTable("workspaces", {
  agent_id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  project_id: uuid().notNull(),
  branch_name: text().notNull(),
  base_branch: text().notNull(),
  workspace_type: text({ enum: ["local", "docker", "remote"] })
    .notNull()
    .default("local"),
  parent_agent_id: uuid(),
  parent_commit: text(),
  head_commit: text(),
  head_tree: text(),
  status: text({
    enum: ["creating", "active", "archiving", "archived", "restoring", "expired", "failed"],
  }).notNull(),
  error: text(),
  archive_id: uuid(),
  folder_driver: text({ enum: ["overlay", "fuse-overlayfs", "checkout"] })
    .notNull()
    .default("checkout"),
  merge_strategy: text().$type<MergeStrategy>().notNull().default("newest_file_wins"),
  auto_checkpoint: boolean().notNull().default(true),
  retention_days: integer().notNull().default(30),
  checkpoint_interval_minutes: integer().default(10),
  created_at: createdAt(),
  updated_at: createdAt(),
});

export const mergesUnderWay = pgTable("merges_under_way", {
  id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  agent_id: uuid().notNull(),
  until: instant().notNull(),
});

export const checkpointLooks = pgTable("checkpoint_looks", {
  agent_id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  looked_at: instant().notNull(),
  failed_at: instant(),
  error_code: text().$type<ErrorCode>(),
  error: text(),
});

export const workspaceDiskUsage = pgTable("workspace_disk_usage", {
  agent_id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  bytes: bigint({ mode: "number" }).notNull(),
  measured_at: createdAt(),
});

export const repositoryDiskUsage = pgTable("repository_disk_usage", {
  project_id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  bytes: bigint({ mode: "number" }).notNull(),
  layers_bytes: bigint({ mode: "number" }).notNull(),
  measured_at: createdAt(),
});

export const archives = pgTable("archives", {
  id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  project_id: uuid().notNull(),
  agent_id: uuid().notNull(),
  tip: text().notNull(),
  archived_at: createdAt(),
});

export const receivedCommits = pgTable(
  "received_commits",
  {
    org_id: uuid().notNull(),
    project_id: uuid().notNull(),
    commit_sha: text().notNull(),
    received_at: createdAt(),
    sequence: bigint({ mode: "number" }).generatedAlwaysAsIdentity(),
  },
  (table) => [primaryKey({ columns: [table.project_id, table.commit_sha] })],
);

export const workspaceCommits = pgTable("workspace_commits", {
  id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  agent_id: uuid().notNull(),
  commit_sha: text().notNull(),
  parent_sha: text().notNull(),
  tree_sha: text().notNull(),
  commit_type: text().$type<Commit["commit_type"]>().notNull(),
  iteration: integer(),
  files_changed: integer().notNull(),
  additions: integer().notNull(),
  deletions: integer().notNull(),
  message: text().notNull(),
  state: text({ enum: ["pending", "recorded"] }).notNull(),
  created_at: createdAt(),
});

export const merges = pgTable("merges", {
  id: uuid().primaryKey(),
  kind: text().$type<Merge["kind"]>().notNull().default("merge"),
  of_merge: uuid(),
  org_id: uuid().notNull(),
  project_id: uuid().notNull(),
  agent_id: uuid().notNull(),
  source_branch: text().notNull(),
  target_branch: text().notNull(),
  source_commit: text().notNull(),
  target_commit: text().notNull(),
  base_commit: text(),
  merge_commit: text().notNull(),
  strategy: text().$type<MergeStrategy>().notNull(),
  state: text({ enum: ["pending", "done"] }).notNull(),
  status: text({ enum: ["clean", "conflict_resolved"] }).notNull(),
  resolutions: jsonb().$type<Merge["resolutions"]>().notNull(),
  decisions: jsonb().$type<Decision[]>(),
  reverted_by: uuid(),
  origin: jsonb().$type<Origin>(),
  created_at: createdAt(),
});

export const radarScans = pgTable("radar_scans", {
  agent_id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  project_id: uuid().notNull(),
  head_commit: text().notNull(),
  base_branch: text().notNull(),
  base_commit: text(),
  fork_commit: text(),
  scanned_at: instant().notNull(),
});

/** As in a merge; without a winner where git could not tell. */
export type StoredConflict = Pick<
  Merge["resolutions"][number],
  "paths" | "kind" | "source_time" | "target_time"
> & { winner: "source" | "target" | null };

export const radarPairs = pgTable("radar_pairs", {
  org_id: uuid().notNull(),
  project_id: uuid().notNull(),
  source_commit: text().notNull(),
  source_fork: text().notNull(),
  target_commit: text().notNull(),
  target_fork: text().notNull(),
  conflicts: jsonb().$type<StoredConflict[]>().notNull(),
  total_conflicts: integer().notNull(),
  computed_at: createdAt(),
});

export const pendingPushes = pgTable("pending_pushes", {
  id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  project_id: uuid().notNull(),
  agent_id: uuid(),
  ref: text().notNull(),
  old_sha: text(),
  new_sha: text().notNull(),
  origin: jsonb().$type<Origin>().notNull(),
  created_at: createdAt(),
});

export const auditEvents = pgTable("audit_events", {
  id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  sequence: bigint({ mode: "number" }).notNull(),
  at: instant().notNull(),
  actor: jsonb().$type<AuditEvent["actor"]>().notNull(),
  action: text().$type<AuditEvent["action"]>().notNull(),
  target: jsonb().$type<AuditEvent["target"]>().notNull(),
  ip: text(),
  request_id: text(),
  changes: jsonb().$type<AuditEvent["changes"]>().notNull(),
  previous_hash: text().notNull(),
  hash: text().notNull(),
});

export const apiKeys = pgTable("api_keys", {
  id: uuid().primaryKey(),
  user_id: uuid().notNull(),
  name: text().notNull(),
  description: text(),
  key_hash: bytes().notNull(),
  key_prefix: text().notNull(),
  key_hint: text().notNull(),
  scopes: text().array().notNull(),
  org_id: uuid(),
  created_at: createdAt(),
  last_used_at: instant(),
  last_used_ip: text(),
  expires_at: instant(),
  revoked_at: instant(),
  agent_id: uuid(),
  allowed_ips: text().array(),
  rate_limit_per_minute: integer(),
  shut_out_of: uuid().array().notNull().default([]),
  replaced_by: uuid(),
  expiry_warned_at: instant(),
});

export const runs = pgTable("runs", {
  id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  agent_id: uuid().notNull(),
  kind: text({ enum: ["managed", "leased"] }).notNull(),
  status: text().$type<Run["status"]>().notNull(),
  exit_code: integer(),
  started_at: instant().default(sql`now()`),
  ended_at: instant(),
  lease_expires_at: instant(),
  last_heartbeat_at: instant(),
  created_at: createdAt(),
  started_by: jsonb().$type<NonNullable<Run["started_by"]>>(),
  origin: jsonb().$type<Origin>(),
  command: text().array(),
  network: text({ enum: ["none", "full"] }),
  timeout_seconds: integer(),
  env_names: text().array().notNull().default([]),
  sealed_env: bytes(),
  limits: jsonb().$type<RunLimits>(),
  server_id: uuid(),
  token_hash: bytes(),
  stop_status: text().$type<Run["status"]>(),
  stop_detail: text(),
  outcome: text().$type<Run["status"]>(),
  exited_at: instant(),
  detail: text(),
  peak_memory_bytes: bigint({ mode: "number" }),
  cpu_seconds: doublePrecision(),
  output_bytes: bigint({ mode: "number" }).notNull().default(0),
  output_truncated: boolean().notNull().default(false),
  checkpoint_sha: text(),
  checkpoint_error: text(),
  checkpointed: boolean().notNull().default(false),
});
