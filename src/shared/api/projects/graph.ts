import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { id, timestamp } from "../../contract/fields.js";
import { commit } from "./commits.js";
import { merge } from "./merges.js";

const graphCommit = z.strictObject({
  sha: z.string(),
  /** The first parent continues the commit's branch. */
  parents: z.array(z.string()),
  /** The first line of its message. */
  subject: z.string(),
  author_name: z.string(),
  /** When the server received it; for imported history, the unverified commit date. */
  at: timestamp,
  /** The branch that it is on; null if that branch is not shown. */
  branch: z.string().nullable(),
  /** The agent whose workspace it belongs to; null for others. */
  agent_id: id.nullable(),
  commit_type: commit.shape.commit_type.nullable(),
  /** The merge that created it, under its agent's workspace. */
  merge: z.strictObject({ id, agent_id: id, kind: merge.shape.kind }).nullable(),
});
export type GraphCommit = z.output<typeof graphCommit>;

const graphBranch = z.strictObject({
  name: z.string(),
  commit_sha: z.string(),
  is_default: z.boolean(),
  agent_id: id.nullable(),
  agent_name: z.string().nullable(),
});

export const projectGraph = z.strictObject({
  /** The default branch first. */
  branches: z.array(graphBranch),
  /** Newest first, children before parents. */
  commits: z.array(graphCommit),
  has_older: z.boolean(),
});
export type ProjectGraph = z.output<typeof projectGraph>;

export const graph = {
  get: endpoint({
    method: "GET",
    path: "/api/v1/projects/{project_id}/graph",
    access: "project:read",
    summary:
      "Get the latest commits of the default branch and the workspaces, with their parents, for a graph",
    params: z.strictObject({ project_id: id }),
    query: z.strictObject({ limit: z.coerce.number().int().min(1).max(2000).default(100) }),
    response: projectGraph,
  }),
};
