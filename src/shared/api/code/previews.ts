import { z } from "zod";
import { mergeStrategies } from "../../code/workspace-choices.js";
import { endpoint } from "../../contract/endpoint.js";
import { agentParams, id, mergeStrategy, nullable } from "../../contract/fields.js";
import { diff } from "./commits.js";
import {
  choice,
  conflict,
  driverFile,
  mergeKinds,
  mergeRequest,
  restoredPaths,
  undoStrategies,
} from "./merges.js";
import { activeErrors, folderErrors } from "../workspace-errors.js";

const resolutions = z
  .array(choice)
  .max(10_000)
  .optional()
  .describe("Decisions on conflicts, at most 10 000");
const undoStrategy = z.enum(undoStrategies).optional();

/** The operation to preview: the body of its endpoint, with its name in `act`. */
export const previewRequest = z.discriminatedUnion(
  "act",
  [
    z.strictObject({
      act: z.literal("merge").describe("A merge of the workspace"),
      ...mergeRequest.pick({ target_branch: true, strategy: true }).shape,
      resolutions,
    }),
    z.strictObject({
      act: z.literal("sync").describe("A sync of the base branch into the workspace"),
      strategy: mergeStrategy
        .optional()
        .describe("Rule that decides conflicts; by default that of the workspace"),
      resolutions,
    }),
    z.strictObject({
      act: z.literal("revert").describe("An undo of a merge"),
      merge_id: id.describe("Id of the merge"),
      strategy: undoStrategy.describe("Rule that decides conflicts"),
      resolutions,
    }),
    z.strictObject({
      act: z.literal("restore").describe("A return of losing versions"),
      merge_id: id.describe("Id of the merge"),
      paths: restoredPaths,
      strategy: undoStrategy.describe("Rule that decides conflicts"),
      resolutions,
    }),
  ],
  `act must be one of ${mergeKinds.join(", ")}`,
);
export type PreviewRequest = z.output<typeof previewRequest>;

const previewConflict = conflict.extend({
  source_time: nullable.timestamp.describe(
    "Time at which the server received the source's latest change of these paths; null if that does not decide",
  ),
  target_time: nullable.timestamp.describe(
    "Time at which the server received the target's latest change of these paths; null if that does not decide",
  ),
  decision: z
    .strictObject({
      winner: z
        .enum(["source", "target", "merged"])
        .describe("The side that wins; `merged`: a resolution or a driver gives the content"),
      rule: z.string().describe("Why it wins, in one sentence"),
    })
    .nullable()
    .describe("The winner and the rule; null while a manual decision is missing"),
  regenerated_by: z
    .array(z.string())
    .nullable()
    .describe(
      "The command that regenerates the file, unless `resolutions` decides it; otherwise null",
    ),
});

export const preview = z.strictObject({
  kind: z.enum(mergeKinds).describe("The previewed operation"),
  strategy: z.enum(mergeStrategies).describe("Rule that decides conflicts"),
  source_branch: z
    .string()
    .describe("The source as named in rules. For a revert, it is the state before the merge."),
  target_branch: z.string().describe("The target as named in rules"),
  source_commit: z
    .string()
    .describe("The previewed source, for `expected_source`; it may not be stored"),
  target_commit: z.string().describe("The previewed target, for `expected_target`"),
  unsaved: z
    .boolean()
    .describe("Whether the workspace has uncommitted changes, which the preview includes"),
  up_to_date: z.boolean().describe("Whether there is nothing to do"),
  conflicts: z.array(previewConflict).describe("The conflicts, and how they would be decided"),
  driver_files: z.array(driverFile).describe("Files that a merge driver of the project applies to"),
  diff: diff.describe(
    "The resulting changes to the target; undecided conflicts keep the target's version",
  ),
});
export type Preview = z.output<typeof preview>;

export const previews = {
  create: endpoint({
    method: "POST",
    path: "/api/v1/agents/{agent_id}/workspace/previews",
    access: "agent:workspace:read",
    inMaintenance: true,
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
