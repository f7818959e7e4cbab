import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { id, nullable, projectParams, timestamp } from "../../contract/fields.js";
import { commit } from "./commits.js";
import { merge } from "./merges.js";

const graphCommit = z.strictObject({
  sha: z.string().describe("Id of the commit, 40 hexadecimal digits"),
  parents: z
    .array(z.string())
    .describe("Ids of its parents. The first parent continues the commit's branch."),
  subject: z.string().describe("The first line of its message"),
  author_name: z.string().describe("Name of the commit's author, as git has it"),
  at: timestamp.describe(
    "When the server received it; for imported history, the unverified commit date",
  ),
  branch: nullable.string.describe("The branch that it is on; null if that branch is not shown"),
  agent_id: nullable.id.describe("The agent whose workspace it belongs to; null for others"),
  commit_type: commit.shape.commit_type
    .nullable()
    .describe("Type of a workspace's commit; null for others"),
  merge: z
    .strictObject({
      id: id.describe("Id of the merge"),
      agent_id: id.describe("Id of the agent"),
      kind: merge.shape.kind.describe("Kind of the merge"),
    })
    .nullable()
    .describe("The merge that created it, under its agent's workspace; null for others"),
});
export type GraphCommit = z.output<typeof graphCommit>;

const graphBranch = z.strictObject({
  name: z.string().describe("Name of the branch"),
  commit_sha: z.string().describe("Its newest commit"),
  is_default: z.boolean().describe("Whether it is the project's default branch"),
  agent_id: nullable.id.describe("Id of the agent whose workspace branch it is; null for others"),
  agent_name: nullable.string.describe("Name of that agent; null for others"),
});

export const projectGraph = z.strictObject({
  branches: z.array(graphBranch).describe("The default branch first"),
  commits: z.array(graphCommit).describe("The commits, newest first, children before parents"),
  has_older: z.boolean().describe("Whether older commits exist"),
});
export type ProjectGraph = z.output<typeof projectGraph>;

export const graph = {
  get: endpoint({
    method: "GET",
    path: "/api/v1/projects/{project_id}/graph",
    access: "project:read",
    summary:
      "Get the latest commits of the default branch and the workspaces, with their parents, for a graph",
    params: projectParams,
    query: z.strictObject({
      limit: z.coerce
        .number()
        .int()
        .min(1)
        .max(2000)
        .default(100)
        .describe("Maximum number of commits, 1 to 2 000"),
    }),
    response: projectGraph,
  }),
};
