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
import type { Commit } from "#shared/api/code/commits.js";
import { workspaceTypes } from "#shared/code/workspace-choices.js";
import type { Choice, Merge, MergeStrategy } from "#shared/api/code/merges.js";
import type { Check, MergeRequest } from "#shared/api/code/merge-requests.js";
import type { ProtectionChange } from "#shared/api/code/protection-changes.js";
import type { ErrorCode } from "#shared/errors.js";
import type { AppliedDrivers, Decision } from "#git/merge/merge.js";
import type { Origin } from "../audit/audit.js";
import { clockTime, createdAt, instant } from "./columns.js";

/**
 * Workspaces, their commits and merges. `db/migrations` creates the tables; column names match the wire
 * format.
 */

export const workspaces = pgTable("workspaces", {
  agent_id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  project_id: uuid().notNull(),
  branch_name: text().notNull(),
  base_branch: text().notNull(),
  workspace_type: text({ enum: workspaceTypes }).notNull().default("local"),
  parent_agent_id: uuid(),
  parent_commit: text(),
  /** The commit of a forge that it begins with; null for the base branch's newest. */
  start_commit: text(),
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
  run_uid: integer(),
  environment_state: text({ enum: ["waiting", "settled"] }),
  environment_build_id: uuid(),
  merge_strategy: text().$type<MergeStrategy>().notNull().default("newest_file_wins"),
  auto_checkpoint: boolean().notNull().default(true),
  retention_days: integer().notNull().default(30),
  checkpoint_interval_minutes: integer().default(10),
  created_at: createdAt(),
  updated_at: createdAt(),
});

export const mergeLeases = pgTable("merges_under_way", {
  id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  agent_id: uuid().notNull(),
  until: instant().notNull(),
});

export const checkpointChecks = pgTable("checkpoint_looks", {
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
    received_at: clockTime(),
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
  created_at: clockTime(),
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
  subject: text(),
  strategy: text().$type<MergeStrategy>().notNull(),
  state: text({ enum: ["pending", "done"] }).notNull(),
  status: text({ enum: ["clean", "conflict_resolved"] }).notNull(),
  resolutions: jsonb().$type<Merge["resolutions"]>().notNull(),
  decisions: jsonb().$type<Decision[]>(),
  drivers: jsonb().$type<AppliedDrivers>(),
  driver_files: jsonb().$type<Merge["driver_files"]>().notNull().default([]),
  reverted_by: uuid(),
  /** Whether a forge has made it, by rules of its own. */
  by_forge: boolean().notNull().default(false),
  origin: jsonb().$type<Origin>(),
  created_at: clockTime(),
});

export const checks = pgTable(
  "checks",
  {
    org_id: uuid().notNull(),
    project_id: uuid().notNull(),
    name: text().notNull(),
    command: text().array().notNull(),
    timeout_seconds: integer().notNull(),
    network: text({ enum: ["none", "full"] }).notNull(),
    log_pattern: text(),
    updated_at: createdAt(),
  },
  (table) => [primaryKey({ columns: [table.project_id, table.name] })],
);

/** The parts of a merge request that decide its merge. */
export interface QueuedWork {
  strategy?: MergeStrategy | undefined;
  resolutions?: readonly Choice[] | undefined;
  message?: string | undefined;
  /** The restored paths of a restore. */
  paths?: readonly string[] | undefined;
  /** The commit of the target that the resolutions refer to. */
  decided_target?: string | undefined;
}

export const mergeRequests = pgTable("merge_requests", {
  id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  project_id: uuid().notNull(),
  agent_id: uuid().notNull(),
  kind: text().$type<MergeRequest["kind"]>().notNull(),
  of_merge: uuid(),
  request: jsonb().$type<QueuedWork>().notNull(),
  source_branch: text().notNull(),
  source_commit: text(),
  /** The change of the source, and what it was compared with; read once second opinions are required. */
  patch_id: text(),
  base_commit: text(),
  target_branch: text().notNull(),
  status: text().$type<MergeRequest["status"]>().notNull(),
  candidate_commit: text(),
  merge_id: uuid(),
  reason: text(),
  origin: jsonb().$type<Origin>().notNull(),
  requested_by: jsonb().$type<NonNullable<MergeRequest["requested_by"]>>(),
  created_at: clockTime(),
  ended_at: instant(),
});

export const mergeRequestApprovals = pgTable(
  "merge_request_approvals",
  {
    request_id: uuid().notNull(),
    approver_id: uuid().notNull(),
    org_id: uuid().notNull(),
    approver: jsonb().$type<NonNullable<MergeRequest["requested_by"]>>().notNull(),
    approved_at: createdAt(),
  },
  (table) => [primaryKey({ columns: [table.request_id, table.approver_id] })],
);

export const protectionChanges = pgTable("protection_changes", {
  id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  project_id: uuid().notNull(),
  proposer_id: uuid().notNull(),
  proposed_by: jsonb().$type<ProtectionChange["proposed_by"]>().notNull(),
  origin: jsonb().$type<Origin>().notNull(),
  protected_branches: jsonb().$type<ProtectionChange["protected_branches"]>(),
  checks: jsonb().$type<ProtectionChange["checks"]>().notNull(),
  asked_approvals: integer().notNull(),
  required_approvals: integer().notNull(),
  status: text().$type<ProtectionChange["status"]>().notNull(),
  reason: text(),
  created_at: clockTime(),
  ended_at: instant(),
});

export const protectionChangeApprovals = pgTable(
  "protection_change_approvals",
  {
    change_id: uuid().notNull(),
    approver_id: uuid().notNull(),
    org_id: uuid().notNull(),
    approver: jsonb().$type<ProtectionChange["proposed_by"]>().notNull(),
    approved_at: createdAt(),
  },
  (table) => [primaryKey({ columns: [table.change_id, table.approver_id] })],
);

/** The parts of a check that decide its result, at the time when it was required of a commit. */
export type CheckDefinition = Pick<
  Check,
  "command" | "timeout_seconds" | "network" | "log_pattern"
> & {
  /** The files that the command regenerates (display text); a check has none. */
  paths?: string[];
};

/** A file that a command has regenerated. */
export interface CheckOutput {
  path: string;
  oid: string;
}

export const commitChecks = pgTable("commit_checks", {
  id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  project_id: uuid().notNull(),
  /** Null for a check of a branch that an automation runs. */
  agent_id: uuid(),
  branch: text(),
  commit_sha: text().notNull(),
  name: text().notNull(),
  definition: jsonb().$type<CheckDefinition>().notNull(),
  definition_hash: text().notNull(),
  status: text({ enum: ["queued", "running", "passed", "failed", "cancelled"] }).notNull(),
  run_id: uuid(),
  detail: text(),
  outputs: jsonb().$type<CheckOutput[]>(),
  attempts: integer().notNull().default(0),
  started_at: instant(),
  created_at: clockTime(),
  ended_at: instant(),
  source_commit: text(),
  tree_sha: text(),
  firing_id: uuid(),
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

/** A conflict as in a merge; the winner is null where git could not decide. */
export type StoredConflict = Pick<
  Merge["resolutions"][number],
  "paths" | "kind" | "source_time" | "target_time"
> & { winner: "source" | "target" | null };

export const radarPairs = pgTable(
  "radar_pairs",
  {
    org_id: uuid().notNull(),
    project_id: uuid().notNull(),
    source_commit: text().notNull(),
    source_fork: text().notNull(),
    target_commit: text().notNull(),
    target_fork: text().notNull(),
    conflicts: jsonb().$type<StoredConflict[]>().notNull(),
    total_conflicts: integer().notNull(),
    computed_at: createdAt(),
  },
  (table) => [
    primaryKey({
      columns: [
        table.project_id,
        table.source_commit,
        table.source_fork,
        table.target_commit,
        table.target_fork,
      ],
    }),
  ],
);

export const pendingPushes = pgTable("pending_pushes", {
  id: uuid().primaryKey(),
  org_id: uuid().notNull(),
  project_id: uuid().notNull(),
  agent_id: uuid(),
  ref: text().notNull(),
  old_sha: text(),
  new_sha: text().notNull(),
  origin: jsonb().$type<Origin>().notNull(),
  created_at: clockTime(),
});
