import { z } from "zod";
import { commitTypes, recordedCommitTypes } from "../../code/workspace-choices.js";
import { endpoint } from "../../contract/endpoint.js";
import { agentParams, commitId, nullable, page, timestamp } from "../../contract/fields.js";
import { activeErrors, commitErrors, workspaceErrors } from "../workspace-errors.js";

const commitFields = {
  commit_sha: z.string().describe("Id of the commit, 40 hexadecimal digits"),
  commit_type: z
    .enum(recordedCommitTypes)
    .describe(
      "`checkpoint`, `validation` and `final` mark states of the work; `manual` is any other commit or a push; `merge` is a sync or a merge commit",
    ),
  iteration: nullable.integer.describe("Number of the iteration; null for other types of commits"),
  files_changed: z.int().describe("Number of changed files against the first parent"),
  additions: z.int().describe("Lines added against the first parent"),
  deletions: z.int().describe("Lines removed against the first parent"),
  message: z.string().describe("Message of the commit"),
  created_at: timestamp.describe("Time at which the server received it"),
};
export const commit = z.strictObject(commitFields);
export type Commit = z.output<typeof commit>;

export const diffFile = z.strictObject({
  path: z.string().describe("Path of the file; for a deleted file, its former path"),
  old_path: nullable.string.describe("Former path of a renamed file; null for others"),
  status: z
    .enum(["added", "modified", "deleted", "renamed", "type_changed"])
    .describe("How the file has changed"),
  additions: nullable.integer.describe("Lines added; null for a binary file"),
  deletions: nullable.integer.describe("Lines removed; null for a binary file"),
  binary: z.boolean().describe("Whether it is a binary file"),
  old_mode: nullable.string.describe(
    "Mode before, six octal digits in git's notation; null for a new file",
  ),
  new_mode: nullable.string.describe(
    "Mode after, six octal digits in git's notation; null for a deleted file",
  ),
  patch: nullable.string.describe("Unified hunks with their file headers; null for binary files"),
  truncated: z.boolean().describe("Whether the patch was truncated because of its size"),
});
export type DiffFile = z.output<typeof diffFile>;

export const diff = z.strictObject({
  files: z.array(diffFile).describe("The changed files"),
  stats: z
    .strictObject({
      files_changed: z.int().describe("Number of changed files"),
      additions: z.int().describe("Lines added"),
      deletions: z.int().describe("Lines removed"),
    })
    .describe("Sums over all files"),
});
export type Diff = z.output<typeof diff>;

/** A file that was not committed, and the reason: it is not a regular file, folder or link. */
const skippedFile = z.strictObject({
  path: z.string().describe("Path of the file"),
  reason: z.string().describe("Why it was left out, as a sentence"),
});

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
      commit_type: z
        .enum(commitTypes)
        .describe(
          "`checkpoint`, `validation` and `final` mark states of the work; `manual` is any other commit",
        ),
      iteration: z
        .int()
        .min(1)
        .max(1_000_000)
        .optional()
        .describe("Number of the iteration, 1 to 1 000 000; by default counted up"),
      message: z
        .string()
        .min(1)
        .max(8192, "must be at most 8 KiB")
        .optional()
        .describe(
          "Message of the commit, at most 8 KiB; by default made from the agent's name and the type",
        ),
    }),
    response: z.strictObject({
      ...commitFields,
      created: z
        .boolean()
        .describe(
          "False if there was nothing to commit; the response is then 200 with the newest commit",
        ),
      skipped: z.array(skippedFile).describe("Files that were left out"),
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
      commit_type: z.enum(recordedCommitTypes).optional().describe("Only commits of this type"),
    }),
    response: z.array(commit),
    errors: workspaceErrors,
  }),
  commit: endpoint({
    method: "GET",
    path: "/api/v1/agents/{agent_id}/workspace/commits/{sha}",
    access: "agent:workspace:read",
    summary: "Get one of the workspace's own commits",
    params: agentParams.extend({
      sha: commitId.describe("Id of the commit, 40 hexadecimal digits"),
    }),
    response: commit,
  }),
  diff: endpoint({
    method: "GET",
    path: "/api/v1/agents/{agent_id}/workspace/commits/{sha}/diff",
    access: "agent:workspace:read",
    summary: "Get a commit's diff; raw with Accept: text/x-diff",
    params: agentParams.extend({
      sha: commitId.describe("Id of the commit, 40 hexadecimal digits"),
    }),
    media: ["text/x-diff"],
    response: diff,
    errors: workspaceErrors,
  }),
};
