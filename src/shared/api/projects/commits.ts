import { z } from "zod";
import { commitTypes, recordedCommitTypes } from "../../workspace-choices.js";
import { endpoint } from "../../contract/endpoint.js";
import { agentParams, commitId, page, timestamp } from "../../contract/fields.js";
import { activeErrors, commitErrors, workspaceErrors } from "./workspace-errors.js";

const commitFields = {
  commit_sha: z.string(),
  commit_type: z.enum(recordedCommitTypes),
  iteration: z.number().int().nullable(),
  files_changed: z.number().int(),
  additions: z.number().int(),
  deletions: z.number().int(),
  message: z.string(),
  created_at: timestamp,
};
export const commit = z.strictObject(commitFields);
export type Commit = z.output<typeof commit>;

const diffFile = z.strictObject({
  path: z.string(),
  old_path: z.string().nullable(),
  status: z.enum(["added", "modified", "deleted", "renamed", "type_changed"]),
  additions: z.number().int().nullable(),
  deletions: z.number().int().nullable(),
  binary: z.boolean(),
  old_mode: z.string().nullable(),
  new_mode: z.string().nullable(),
  /** Unified hunks with their file headers; null for binary files. */
  patch: z.string().nullable(),
  /** Whether the patch was truncated because of its size. */
  truncated: z.boolean(),
});
export type DiffFile = z.output<typeof diffFile>;

export const diff = z.strictObject({
  files: z.array(diffFile),
  stats: z.strictObject({
    files_changed: z.number().int(),
    additions: z.number().int(),
    deletions: z.number().int(),
  }),
});
export type Diff = z.output<typeof diff>;

/** A file that was not committed, and the reason: it is not a regular file, folder or link. */
const skippedFile = z.strictObject({ path: z.string(), reason: z.string() });

/** Endpoints for a workspace's commits. */
export const commitCalls = {
  createCommit: endpoint({
    method: "POST",
    path: "/api/v1/agents/{agent_id}/workspace/commits",
    access: "agent:workspace:write",
    summary: "Commit the workspace's changes; without changes, answers 200 with the latest commit",
    status: 201,
    location: "/api/v1/agents/{agent_id}/workspace/commits/{commit_sha}",
    params: agentParams,
    body: z.strictObject({
      commit_type: z.enum(commitTypes),
      iteration: z.number().int().min(1).max(1_000_000).optional(),
      message: z.string().min(1).max(8192, "must be at most 8 KiB").optional(),
    }),
    response: z.strictObject({
      ...commitFields,
      created: z.boolean(),
      skipped: z.array(skippedFile),
    }),
    errors: ["workspace_busy", "workspace_remote", ...activeErrors, ...commitErrors],
  }),
  commits: endpoint({
    method: "GET",
    path: "/api/v1/agents/{agent_id}/workspace/commits",
    access: "agent:workspace:read",
    summary: "List the workspace's own commits, newest first; all, or those of one type",
    params: agentParams,
    query: page.extend({
      commit_type: z.enum(recordedCommitTypes).optional(),
    }),
    response: z.array(commit),
    errors: workspaceErrors,
  }),
  commit: endpoint({
    method: "GET",
    path: "/api/v1/agents/{agent_id}/workspace/commits/{sha}",
    access: "agent:workspace:read",
    summary: "Get one of the workspace's own commits",
    params: agentParams.extend({ sha: commitId }),
    response: commit,
  }),
  diff: endpoint({
    method: "GET",
    path: "/api/v1/agents/{agent_id}/workspace/commits/{sha}/diff",
    access: "agent:workspace:read",
    summary: "Get a commit's diff; raw with Accept: text/x-diff",
    params: agentParams.extend({ sha: commitId }),
    media: ["text/x-diff"],
    response: diff,
    errors: workspaceErrors,
  }),
};
