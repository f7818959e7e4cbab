import { z } from "zod";
import { mergeStrategies } from "../../workspace-choices.js";
import { endpoint } from "../../contract/endpoint.js";
import { id, mergeStrategy, timestamp } from "../../contract/fields.js";
import { branch } from "./projects.js";
import { diff } from "./commits.js";
import { agentParams } from "../../contract/fields.js";
import { choice, conflict, driverFile, mergeKinds, path, undoStrategies } from "./merges.js";
import { activeErrors, folderErrors } from "./workspace-errors.js";

const resolutions = z.array(choice).max(10_000).optional();
const undoStrategy = z.enum(undoStrategies).optional();

/** The operation to preview: the body of its endpoint, with its name in `act`. */
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
  /**
   * When the server received each side's latest change at these paths; null if that does not
   * decide.
   */
  source_time: timestamp.nullable(),
  target_time: timestamp.nullable(),
  /** The winner and the rule; null while a manual decision is missing. */
  decision: z
    .strictObject({ winner: z.enum(["source", "target", "merged"]), rule: z.string() })
    .nullable(),
  /** The command that regenerates the file, unless `resolutions` decides it; otherwise null. */
  regenerated_by: z.array(z.string()).nullable(),
});

export const preview = z.strictObject({
  kind: z.enum(mergeKinds),
  strategy: z.enum(mergeStrategies),
  /** The two sides as named in rules. For a revert, the source is the state before the merge. */
  source_branch: z.string(),
  target_branch: z.string(),
  /** The previewed commits, for `expected_source` and `expected_target`; they may not be stored. */
  source_commit: z.string(),
  target_commit: z.string(),
  /** Whether the workspace has uncommitted changes, which the preview includes. */
  unsaved: z.boolean(),
  /** Whether there is nothing to do. */
  up_to_date: z.boolean(),
  conflicts: z.array(previewConflict),
  driver_files: z.array(driverFile),
  /** The resulting changes to the target; undecided conflicts keep the target's version. */
  diff,
});
export type Preview = z.output<typeof preview>;

export const previews = {
  create: endpoint({
    method: "POST",
    path: "/api/v1/agents/{agent_id}/workspace/previews",
    access: "agent:workspace:read",
    summary:
      "Preview a merge, sync, revert or restore: conflicts with both versions, and the diff; changes nothing",
    status: 200,
    params: agentParams,
    body: previewRequest,
    response: preview,
    errors: [
      "workspace_busy",
      "run_in_progress",
      "base_branch_gone",
      "sync_not_revertible",
      "already_reverted",
      "merge_gone",
      ...activeErrors,
      ...folderErrors,
    ],
  }),
};
