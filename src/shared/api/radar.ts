import { z } from "zod";
import { endpoint } from "../contract/endpoint.js";
import { id, timestamp } from "../contract/fields.js";

/** A line of work as it was at its last commit: a workspace's, or the branch that one merges into. */
const side = z.strictObject({
  /** Null for a base branch. */
  agent_id: id.nullable(),
  agent_name: z.string().nullable(),
  branch_name: z.string(),
  commit_sha: z.string(),
});
export type RadarSide = z.output<typeof side>;

const foreseen = z.strictObject({
  paths: z.array(z.string()),
  /** As in a merge; `unknown` where git could not tell. */
  kind: z.string(),
  /** Who would win by newest_file_wins if the two were merged now. */
  winner: z.enum(["one", "other"]).nullable(),
  /** When the server received each side's newest change of these paths. */
  one_time: timestamp.nullable(),
  other_time: timestamp.nullable(),
});

const pair = z.strictObject({
  one: side,
  other: side,
  total_conflicts: z.number().int(),
  /** The first ones. */
  conflicts: z.array(foreseen),
});
export type RadarPair = z.output<typeof pair>;

export const radarAnswer = z.strictObject({
  /** Whether all has been looked at since the last commit; else it is being looked at. */
  is_current: z.boolean(),
  /** Null where nothing has been looked at yet. */
  looked_at: timestamp.nullable(),
  /** How many active workspaces the project has. */
  workspaces: z.number().int(),
  total_pairs: z.number().int(),
  /** Those in conflict, most conflicts first, the first ones. */
  pairs: z.array(pair),
});
export type Radar = z.output<typeof radarAnswer>;

export const radar = {
  workspace: endpoint({
    method: "GET",
    path: "/api/v1/agents/{agent_id}/workspace/radar",
    access: "agent:workspace:read",
    summary:
      "What would conflict with the other active workspaces and the base branch, as of the last commits; `one` is this workspace",
    params: z.strictObject({ agent_id: id }),
    response: radarAnswer,
  }),
  project: endpoint({
    method: "GET",
    path: "/api/v1/projects/{project_id}/radar",
    access: "project:read",
    summary: "What would conflict between the project's active workspaces, as of the last commits",
    params: z.strictObject({ project_id: id }),
    response: radarAnswer,
  }),
};
