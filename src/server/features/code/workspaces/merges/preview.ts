import type { Preview, PreviewRequest } from "#shared/api/code/previews.js";
import type { Choice } from "#shared/api/code/merges.js";
import { diffFiles } from "#git/diff/diff.js";
import type { OrgContext } from "../../../../http/requests/request-context.js";
import { withMerge } from "./merge-workspace.js";
import { planMerge, type MergeInput, type MergePlan } from "./planning/plan-merge.js";
import { withDataMerges } from "./planning/data-merges.js";
import { readConflicts } from "./planning/read-conflicts.js";
import { withSync } from "./syncs/sync-workspace.js";
import { withUndo } from "./revert-merge.js";
import type { WorkspaceDeps } from "../workspace.js";

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
  const show = (input: MergeInput): Promise<Preview> => {
    const regeneration = withDataMerges(deps, context.orgId, input.regeneration);
    return previewOf(deps, { ...input, regeneration }, request.act);
  };
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
  const { plan, open, pending } = await planWithOpen(deps, input);
  const { drivers, driverFiles } = plan;
  const { source_commit, target_commit, conflicts } = await readConflicts(deps, {
    ...input,
    drivers,
  });
  const isPending = driverFiles.some(({ result }) => result === "pending");
  return {
    kind,
    strategy: input.strategy,
    source_branch: input.branches.source,
    target_branch: input.branches.target,
    source_commit,
    target_commit,
    unsaved: input.unsaved,
    up_to_date: plan.upToDate && open.size === 0 && !isPending,
    conflicts: conflicts.map((conflict, index) => {
      const { winner, rule, ...times } = plan.resolutions[
        index
      ] as MergePlan["resolutions"][number];
      const isOpen = conflict.paths.some((path) => open.has(path));
      const regenerated = conflict.paths.find((path) => pending.has(path)) ?? "";
      return {
        ...conflict,
        source_time: times.source_time,
        target_time: times.target_time,
        decision: isOpen ? null : { winner, rule },
        regenerated_by: pending.get(regenerated) ?? null,
      };
    }),
    driver_files: driverFiles.map((file) =>
      pending.has(file.path) ? { ...file, result: "pending", reason: null } : file,
    ),
    diff: await diffFiles(repoPath, input.target, plan.tree, { patch: true }),
  };
}

/**
 * Computes a merge whose open conflicts keep the target's version, and returns their paths.
 * @returns `pending`: those that a command regenerates if they are not resolved by hand
 */
async function planWithOpen(
  deps: WorkspaceDeps,
  input: MergeInput,
): Promise<{ plan: MergePlan; open: ReadonlySet<string>; pending: ReadonlyMap<string, string[]> }> {
  const open = new Set<string>();
  const pending = new Map<string, string[]>();
  let { choices } = input;
  const takeTarget = (paths: readonly string[]): void => {
    for (const path of paths) open.add(path);
    // Recorded decisions leave no conflict open.
    choices = [...(choices as readonly Choice[]), { path: paths[0] as string, take: "target" }];
  };
  for (;;) {
    const plan = await planMerge(deps, { ...input, choices });
    if ("open" in plan) {
      for (const { paths } of plan.open) takeTarget(paths);
      continue;
    }
    const isManual = input.strategy === "manual";
    const files = plan.driverFiles.filter(({ result }) => isManual && result === "pending");
    if (files.length === 0) return { plan, open, pending };
    for (const { path, command = [] } of files) {
      pending.set(path, command);
      takeTarget([path]);
    }
  }
}
