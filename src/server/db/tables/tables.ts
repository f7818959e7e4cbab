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
import type { AuditEvent } from "#shared/api/organization/audit.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { FetchReport } from "#shared/api/code/projects.js";
import type { NewEnvironment } from "#shared/api/execution/environments.js";
import type { ProjectContainers } from "#shared/api/execution/containers.js";
import type { ProtectedBranch } from "#shared/code/protection.js";
import type { Run, RunLimits } from "#shared/api/execution/runs.js";
import type { PresetName } from "#shared/execution/run-choices.js";
import { deliveryStatuses, disabledReasons } from "#shared/operation/webhook-choices.js";
import { sessionStatuses, type Session } from "#shared/api/work/sessions.js";
import type { TaskChanges } from "#shared/api/work/tasks.js";
import type { MergeDriver } from "#shared/code/merge-drivers.js";
import type { Origin } from "../audit/audit.js";
import { bytes, clockTime, createdAt, instant } from "./columns.js";

/**
 * Organizations and their data. `db/migrations` creates the tables; column names match the wire format.
 */

type Json = Organization["settings"];

/** Monthly budgets for model calls; null for none. */
const budgets = () => ({
  max_model_cost_usd: doublePrecision(),
  max_model_tokens: bigint({ mode: "number" }),
});

export const organizations = pgTable("organizations", {
  id: uuid().primaryKey(),
  name: text().notNull(),
  slug: text().notNull(),
  description: text(),
  owner_id: uuid().notNull(),
  billing_email: text(),
  max_concurrent_agents: integer().notNull().default(5),
  max_agent_runtime_hours: doublePrecision().notNull().default(100),
  ...budgets(),
  allowed_models: text().array(),
  max_open_child_tasks: integer().notNull().default(20),
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
  merge_drivers: jsonb().$type<MergeDriver[]>().notNull().default([]),
  protected_branches: jsonb().$type<ProtectedBranch[]>(),
  kubernetes: jsonb().$type<ProjectContainers>(),
  default_preset: text().$type<PresetName>(),
  default_model: text(),
  stuck_after_minutes: integer().notNull().default(15),
  hold_untrusted_tasks: boolean().notNull().default(true),
  ...budgets(),
  deleted_at: instant(),
  removed_at: instant(),
  home_node: uuid(),
  created_at: createdAt(),
  updated_at: createdAt(),
});

/** The rules of a project's branches: those that were set, or an entry of the default branch. */
export const protectedBranches = sql<
  ProtectedBranch[]
>`coalesce(${projects.protected_branches}, jsonb_build_array(jsonb_build_object(
  'pattern', ${projects.default_branch}, 'checks', '[]'::jsonb, 'approvals', 0, 'strategy', null,
  'dismiss_stale_approvals', true, 'resolve_threads', false, 'reviews', '[]'::jsonb)))`;

/** An upstream operation in progress: a push of a branch at a commit, or a fetch. */
export interface UpstreamOperation {
  /** Distinguishes it from an operation that starts after it was canceled. */
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
  act: jsonb().$type<UpstreamOperation>(),
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

export const secrets = pgTable(
  "secrets",
  {
    org_id: uuid().notNull(),
    /** Null for a secret of the organization. */
    project_id: uuid(),
    owner_id: uuid()
      .notNull()
      .generatedAlwaysAs(sql`coalesce(project_id, org_id)`),
    name: text().notNull(),
    kind: text({ enum: ["variable", "model"] }).notNull(),
    /** Of a model secret. */
    provider: text(),
    base_url: text(),
    sealed: bytes().notNull(),
    set_by: uuid().notNull(),
    created_at: createdAt(),
    updated_at: createdAt(),
  },
  (table) => [primaryKey({ columns: [table.owner_id, table.name] })],
);

export const environments = pgTable("environments", {
  project_id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  setup_script: text().notNull(),
  cache_key_files: text().array().notNull(),
  variables: jsonb().$type<Record<string, string>>().notNull(),
  allowed_hosts: text().array(),
  network: text({ enum: ["none", "restricted"] }).notNull(),
  updated_at: createdAt(),
});

export const environmentBuilds = pgTable("environment_builds", {
  id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  project_id: uuid().notNull(),
  key: text().notNull(),
  branch: text().notNull(),
  commit_sha: text().notNull(),
  definition: jsonb().$type<NewEnvironment>().notNull(),
  status: text({ enum: ["queued", "running", "succeeded", "failed", "cancelled"] }).notNull(),
  run_id: uuid(),
  attempts: integer().notNull().default(0),
  detail: text(),
  layer_bytes: bigint({ mode: "number" }),
  left_out: text().array().notNull().default([]),
  left_out_count: integer().notNull().default(0),
  created_at: clockTime(),
  started_at: instant(),
  ended_at: instant(),
});

export const agents = pgTable("agents", {
  id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  project_id: uuid().notNull(),
  name: text().notNull(),
  description: text(),
  parent_agent_id: uuid(),
  task_title: text(),
  task_text: text(),
  ...budgets(),
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
  expiry_last_warned_at: instant(),
  created_by: uuid().notNull(),
});

export const runs = pgTable("runs", {
  id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  /** Null for a build. */
  agent_id: uuid(),
  /** Of a build; null for the runs of agents. */
  project_id: uuid(),
  kind: text({ enum: ["managed", "leased", "check", "build", "review"] }).notNull(),
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
  preset: text().$type<PresetName>(),
  prompt: text(),
  model: text(),
  result: text(),
  network: text({ enum: ["none", "restricted", "full"] }),
  allowed_hosts: text().array(),
  egress_allowed: bigint({ mode: "number" }).notNull().default(0),
  egress_denied: bigint({ mode: "number" }).notNull().default(0),
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
  repository_tip: text(),
  repository_commits: integer().notNull().default(0),
  repository_branches: text().array().notNull().default([]),
  repository_error: text(),
  session_id: uuid(),
  repository_taking: jsonb().$type<{ tip: string; to: string; commits: number }>(),
  is_unsaved: boolean().notNull().default(false),
  runner_labels: text().array(),
  runner_id: uuid(),
  offered_until: instant(),
  egress_batch: bigint({ mode: "number" }).notNull().default(0),
  in_cluster: boolean().notNull().default(false),
  job_token_hash: bytes(),
  runtime_ms: bigint({ mode: "number" }).generatedAlwaysAs(
    sql`greatest(extract(epoch from ended_at - started_at) * 1000, 0)::bigint`,
  ),
});

export const agentSessions = pgTable("agent_sessions", {
  id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  agent_id: uuid().notNull(),
  preset: text().$type<PresetName>().notNull(),
  command: text().array().notNull(),
  network: text({ enum: ["none", "restricted", "full"] }).notNull(),
  allowed_hosts: text().array(),
  status: text({ enum: sessionStatuses }).notNull(),
  title: text().notNull(),
  detail: text(),
  run_id: uuid(),
  program_session_id: text(),
  resumes_by: text({ enum: ["load", "resume"] }),
  modes: jsonb().$type<Session["modes"]>(),
  options: jsonb().$type<Session["options"]>().notNull().default([]),
  permissions: jsonb().$type<Session["permissions"]>().notNull().default([]),
  turn_started_at: instant(),
  turn_ended_at: instant(),
  turn_stop_reason: text(),
  turn_message: text(),
  turn_asks: boolean().notNull().default(false),
  turn_changes: jsonb().$type<TaskChanges>(),
  silent_since: instant(),
  created_by: jsonb().$type<Session["created_by"]>().notNull(),
  created_at: clockTime(),
  updated_at: clockTime(),
  closed_at: instant(),
});

/** Recorded by triggers and by `record_event`; see `db/migrations/0054_webhooks.sql`. */
export const events = pgTable("events", {
  id: uuid().primaryKey(),
  number: bigint({ mode: "number" }).notNull().generatedAlwaysAsIdentity(),
  org_id: uuid().notNull(),
  type: text().notNull(),
  subject_id: uuid().notNull(),
  data: jsonb().$type<Json>().notNull(),
  created_at: clockTime(),
});

export const serviceAccounts = pgTable("service_accounts", {
  /** The id of the user. */
  id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  name: text().notNull(),
  description: text(),
  created_by: uuid().notNull(),
  created_at: clockTime(),
  updated_at: clockTime(),
  deleted_at: instant(),
});

export const webhooks = pgTable("webhooks", {
  id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  url: text().notNull(),
  events: text().array().notNull(),
  description: text(),
  enabled: boolean().notNull().default(true),
  disabled_reason: text({ enum: disabledReasons }),
  disabled_at: instant(),
  notice_due: boolean().notNull().default(false),
  failing_since: instant(),
  sealed_secret: bytes().notNull(),
  sealed_previous_secret: bytes(),
  previous_secret_expires_at: instant(),
  created_by: uuid().notNull(),
  created_at: clockTime(),
  updated_at: clockTime(),
});

export const webhookDeliveries = pgTable("webhook_deliveries", {
  id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  webhook_id: uuid().notNull(),
  event_id: uuid().notNull(),
  number: bigint({ mode: "number" }).notNull(),
  subject_id: uuid().notNull(),
  is_redelivery: boolean().notNull().default(false),
  status: text({ enum: deliveryStatuses }).notNull().default("pending"),
  attempts: integer().notNull().default(0),
  next_attempt_at: instant().default(sql`clock_timestamp()`),
  attempted_at: instant(),
  duration_ms: integer(),
  response_status: integer(),
  response_body: text(),
  error: text(),
  created_at: clockTime(),
  ended_at: instant(),
});

/** Items of the attention list that a user has marked as done. */
export const attentionDismissals = pgTable(
  "attention_dismissals",
  {
    org_id: uuid().notNull(),
    user_id: uuid().notNull(),
    item_key: text().notNull(),
    dismissed_at: clockTime(),
    until: instant(),
  },
  (table) => [primaryKey({ columns: [table.org_id, table.user_id, table.item_key] })],
);

export const agentSessionInputs = pgTable("agent_session_inputs", {
  number: bigint({ mode: "number" }).primaryKey().generatedAlwaysAsIdentity(),
  org_id: uuid().notNull(),
  session_id: uuid().notNull(),
  kind: text({ enum: ["prompt", "cancel", "permission", "mode", "option"] }).notNull(),
  data: jsonb().$type<Record<string, string>>().notNull(),
  sent_by: jsonb().$type<Session["created_by"]>().notNull(),
  taken_at: instant(),
  origin: jsonb().$type<Origin>(),
  is_held: boolean().notNull().default(false),
});

export const runEgress = pgTable("run_egress", {
  id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  run_id: uuid().notNull(),
  host: text().notNull(),
  port: integer().notNull(),
  decision: text({ enum: ["allowed", "denied", "failed"] }).notNull(),
  reason: text(),
  at: instant().notNull(),
  bytes_sent: bigint({ mode: "number" }).notNull(),
  bytes_received: bigint({ mode: "number" }).notNull(),
});
