import type { Preview, PreviewRequest } from "#shared/api/previews.js";
import type { Choice } from "#shared/api/merges.js";
import { AppError } from "../../../errors.js";
import { diffFiles } from "#git/diff/diff.js";
import type { OrgContext } from "../../../http/register-routes.js";
import { withMerge } from "./merge-workspace.js";
import { planMerge, type MergeInput, type MergePlan } from "./plan-merge.js";
import { readConflicts } from "./read-conflicts.js";
import { withSync } from "./sync-workspace.js";
import { withUndoing } from "./revert-merge.js";
import type { WorkspaceDeps } from "../workspace.js";

/**
 * What a merge, sync, revert or restore would do, unsaved work included; changes nothing. Conflicts
 * that nobody has decided yet are no refusal: of them the target's version stays.
 * @throws AppError as the act itself does for everything else
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
      return withUndoing(deps, context, agentId, request.merge_id, request, show);
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
    diff: await diffFiles(repoPath, input.target, plan.tree, { patch: true }),
  };
}

/** The plan, and the paths of conflicts that nobody has decided: in it, they are as the target has them. */
async function planWithOpen(
  deps: WorkspaceDeps,
  input: MergeInput,
): Promise<{ plan: MergePlan; open: ReadonlySet<string> }> {
  try {
    return { plan: await planMerge(deps, input), open: new Set() };
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== "merge_conflict") throw error;
    if ("recorded" in input.choices) throw error;
    const conflicts = error.extra["conflicts"] as { paths: string[] }[];
    const asTarget = conflicts.map(({ paths }): Choice => ({
      path: paths[0] as string,
      take: "target",
    }));
    const plan = await planMerge(deps, { ...input, choices: [...input.choices, ...asTarget] });
    return { plan, open: new Set(conflicts.flatMap(({ paths }) => paths)) };
  }
}
