import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { id, timestamp } from "../../contract/fields.js";
import { workspaceErrors } from "./workspace-errors.js";

/** A branch as of its last commit: a workspace's, or the base branch. */
const side = z.strictObject({
  /** Null for the base branch. */
  agent_id: id.nullable(),
  agent_name: z.string().nullable(),
  branch_name: z.string(),
  commit_sha: z.string(),
});
export type RadarSide = z.output<typeof side>;

const foreseen = z.strictObject({
  paths: z.array(z.string()),
  /** Same kinds as in a merge; `unknown` if git could not tell. */
  kind: z.string(),
  /** The winner under newest_file_wins if both were merged now. */
  winner: z.enum(["one", "other"]).nullable(),
  /** When the server received each side's latest change of these paths. */
  one_time: timestamp.nullable(),
  other_time: timestamp.nullable(),
});

const pair = z.strictObject({
  one: side,
  other: side,
  total_conflicts: z.number().int(),
  /** The first conflicts. */
  conflicts: z.array(foreseen),
});
export type RadarPair = z.output<typeof pair>;

export const radarAnswer = z.strictObject({
  /** Whether the analysis includes the latest commits; otherwise it is running. */
  is_current: z.boolean(),
  /** Null before the first analysis. */
  looked_at: timestamp.nullable(),
  /** Number of active workspaces in the project. */
  workspaces: z.number().int(),
  total_pairs: z.number().int(),
  /** The first conflicting pairs, most conflicts first. */
  pairs: z.array(pair),
});
export type Radar = z.output<typeof radarAnswer>;

export const radar = {
  workspace: endpoint({
    method: "GET",
    path: "/api/v1/agents/{agent_id}/workspace/radar",
    access: "agent:workspace:read",
    summary:
      "List conflicts with the other active workspaces and the base branch, as of the last commits; `one` is this workspace",
    params: z.strictObject({ agent_id: id }),
    response: radarAnswer,
    errors: workspaceErrors,
  }),
  project: endpoint({
    method: "GET",
    path: "/api/v1/projects/{project_id}/radar",
    access: "project:read",
    summary: "List conflicts between the project's active workspaces, as of the last commits",
    params: z.strictObject({ project_id: id }),
    response: radarAnswer,
  }),
};
