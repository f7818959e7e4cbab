import { z } from "zod";
import { mergeStrategies } from "../workspace-choices.js";
import { endpoint } from "../contract/endpoint.js";
import { id, timestamp } from "../contract/fields.js";
import { branch } from "./projects.js";
import { diff } from "./diffs.js";
import { agentParams } from "../contract/fields.js";
import { choice, conflict, mergeKinds, mergeStrategy, path, undoStrategies } from "./merges.js";

const resolutions = z.array(choice).max(10_000).optional();
const undoStrategy = z.enum(undoStrategies).optional();

/** What is to be looked at: as the call that does it takes it, with its name in `act`. */
export const previewRequest = z.discriminatedUnion(
  "act",
  [
    z.strictObject({
      act: z.literal("merge"),
      target_branch: branch.optional(),
      strategy: mergeStrategy.optional(),
      resolutions,
    }),
    z.strictObject({ act: z.literal("sync"), strategy: mergeStrategy.optional(), resolutions }),
    z.strictObject({
      act: z.literal("revert"),
      merge_id: id,
      strategy: undoStrategy,
      resolutions,
    }),
    z.strictObject({
      act: z.literal("restore"),
      merge_id: id,
      paths: z.array(path, "must be a list of paths").min(1, "must name a path").max(10_000),
      strategy: undoStrategy,
      resolutions,
    }),
  ],
  `act must be one of ${mergeKinds.join(", ")}`,
);
export type PreviewRequest = z.output<typeof previewRequest>;

const previewConflict = conflict.extend({
  /** When the server received what each side last did there; null where that says nothing. */
  source_time: timestamp.nullable(),
  target_time: timestamp.nullable(),
  /** Who would win, and by which rule; null while nobody has decided it by hand. */
  decision: z
    .strictObject({ winner: z.enum(["source", "target", "merged"]), rule: z.string() })
    .nullable(),
});

export const preview = z.strictObject({
  kind: z.enum(mergeKinds),
  strategy: z.enum(mergeStrategies),
  /** The two sides, as rules name them. Of a revert the source is the state before the merge. */
  source_branch: z.string(),
  target_branch: z.string(),
  /** What was looked at, for `expected_source` and `expected_target`; either may be kept nowhere. */
  source_commit: z.string(),
  target_commit: z.string(),
  /** Whether the workspace's folder holds what is not committed; it is counted in. */
  unsaved: z.boolean(),
  /** Whether nothing is left to do. */
  up_to_date: z.boolean(),
  conflicts: z.array(previewConflict),
  /** What would change on the target; where a conflict is not decided, the target stays as it is. */
  diff,
});
export type Preview = z.output<typeof preview>;

export const previews = {
  create: endpoint({
    method: "POST",
    path: "/api/v1/agents/{agent_id}/workspace/previews",
    access: "agent:workspace:read",
    summary:
      "What a merge, sync, revert or restore would do: conflicts with both versions, and the diff; changes nothing",
    status: 200,
    params: agentParams,
    body: previewRequest,
    response: preview,
  }),
};
