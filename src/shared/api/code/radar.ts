import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { agentParams, nullable, projectParams } from "../../contract/fields.js";
import { workspaceErrors } from "../workspace-errors.js";

/** A branch as of its last commit: a workspace's, or the base branch. */
const side = z.strictObject({
  agent_id: nullable.id.describe("Id of the agent; null for the base branch"),
  agent_name: nullable.string.describe("Name of the agent; null for the base branch"),
  branch_name: z.string().describe("Name of the branch"),
  commit_sha: z.string().describe("Its newest commit"),
});
export type RadarSide = z.output<typeof side>;

const foreseen = z.strictObject({
  paths: z.array(z.string()).describe("Paths that conflict together"),
  kind: z.string().describe("Kind of conflict, as in a merge; `unknown` if git could not tell"),
  winner: z
    .enum(["one", "other"])
    .nullable()
    .describe(
      "The side that would win by `newest_file_wins` if both were merged now; null if that does not decide",
    ),
  one_time: nullable.timestamp.describe(
    "Time at which the server received the latest change of these paths by `one`; null if it is not known",
  ),
  other_time: nullable.timestamp.describe(
    "Time at which the server received the latest change of these paths by `other`; null if it is not known",
  ),
});

const pair = z.strictObject({
  one: side.describe("The one branch"),
  other: side.describe("The other branch"),
  total_conflicts: z.int().describe("Number of conflicts"),
  conflicts: z.array(foreseen).describe("The first conflicts"),
});
export type RadarPair = z.output<typeof pair>;

export const radarAnswer = z.strictObject({
  is_current: z
    .boolean()
    .describe("Whether the analysis includes the latest commits; otherwise it is running"),
  looked_at: nullable.timestamp.describe("Time of the last analysis; null before the first"),
  workspaces: z.int().describe("Number of active workspaces in the project"),
  total_pairs: z.int().describe("Number of pairs of branches that conflict"),
  pairs: z.array(pair).describe("The first conflicting pairs, most conflicts first"),
});
export type Radar = z.output<typeof radarAnswer>;

export const radar = {
  workspace: endpoint({
    method: "GET",
    path: "/api/v1/agents/{agent_id}/workspace/radar",
    access: "agent:workspace:read",
    summary:
      "List conflicts with the other active workspaces and the base branch, as of the last commits; `one` is this workspace",
    params: agentParams,
    response: radarAnswer,
    errors: workspaceErrors,
  }),
  project: endpoint({
    method: "GET",
    path: "/api/v1/projects/{project_id}/radar",
    access: "project:read",
    summary: "List conflicts between the project's active workspaces, as of the last commits",
    params: projectParams,
    response: radarAnswer,
  }),
};
