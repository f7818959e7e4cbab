import type { Preview, PreviewRequest } from "#shared/api/projects/previews.js";
import type { Choice } from "#shared/api/projects/merges.js";
import { diffFiles } from "#git/diff/diff.js";
import type { OrgContext } from "../../../../http/request-context.js";
import { withMerge } from "../merge-workspace.js";
import { planDecidedMerge, planMerge, type MergeInput, type MergePlan } from "./plan-merge.js";
import { readConflicts } from "./read-conflicts.js";
import { withSync } from "../syncs/sync-workspace.js";
import { withUndo } from "../revert-merge.js";
import type { WorkspaceDeps } from "../../workspace.js";

/**
 * Returns the result of a merge, sync, revert or restore without making it, unsaved work included. Open
 * conflicts keep the target's version.
 * @throws AppError as the operation itself, except `merge_conflict`
 */
export function preview(
  deps: WorkspaceDeps,
  context: OrgContext,
  agentId: string,
  request: PreviewRequest,
): Promise<Preview> {
  const show = (input: MergeInput): Promise<Preview> => previewOf(deps, input, request.act);
  switch (request.act) {
    case "merge":
      return withMerge(deps, context, agentId, request, show);
    case "sync":
      return withSync(deps, context, agentId, request, show);
    case "revert":
    case "restore":
      return withUndo(deps, context, agentId, request.merge_id, request, show);
  }
}

async function previewOf(
  deps: WorkspaceDeps,
  input: MergeInput,
  kind: Preview["kind"],
): Promise<Preview> {
  const repoPath = deps.storage.repository(input.org_id, input.project_id);
  const { plan, open } = await planWithOpen(deps, input);
  const { source_commit, target_commit, conflicts } = await readConflicts(deps, input);
  return {
    kind,
    strategy: input.strategy,
    source_branch: input.branches.source,
    target_branch: input.branches.target,
    source_commit,
    target_commit,
    unsaved: input.unsaved,
    up_to_date: plan.upToDate && open.size === 0,
    conflicts: conflicts.map((conflict, index) => {
      const { winner, rule, ...times } = plan.resolutions[
        index
      ] as MergePlan["resolutions"][number];
      const isOpen = conflict.paths.some((path) => open.has(path));
      return {
        ...conflict,
        source_time: times.source_time,
        target_time: times.target_time,
        decision: isOpen ? null : { winner, rule },
      };
    }),
    driver_files: plan.driverFiles,
    diff: await diffFiles(repoPath, input.target, plan.tree, { patch: true }),
  };
}

/** Computes a merge whose open conflicts keep the target's version, and returns their paths. */
async function planWithOpen(
  deps: WorkspaceDeps,
  input: MergeInput,
): Promise<{ plan: MergePlan; open: ReadonlySet<string> }> {
  const plan = await planMerge(deps, input);
  if (!("open" in plan)) return { plan, open: new Set() };
  const asTarget = plan.open.map(({ paths }): Choice => ({
    path: paths[0] as string,
    take: "target",
  }));
  // Recorded decisions leave no conflict open.
  const choices = [...(input.choices as readonly Choice[]), ...asTarget];
  return {
    plan: await planDecidedMerge(deps, { ...input, choices }),
    open: new Set(plan.open.flatMap(({ paths }) => paths)),
  };
}
