import type { Preview, PreviewRequest } from "#shared/api/code/previews.js";
import type { MergeRequest } from "#shared/api/code/merge-requests.js";
import type { Choice, Merge, MergeStrategy } from "#shared/api/code/merges.js";
import type { Permission } from "#shared/permissions.js";
import { client } from "./client.js";
import { countOf } from "../ui/text/number.js";
import { visible } from "../ui/text/plain-text.js";

type Without<Request> = Request extends unknown ? Omit<Request, "strategy" | "resolutions"> : never;
/** An operation that moves a branch and may conflict, without its conflict decisions. */
export type Operation = Without<PreviewRequest>;

/** How conflicts are resolved: by a strategy or one by one. */
export interface Deciding {
  strategy: MergeStrategy;
  /** One per conflict, if conflicts are resolved manually. */
  resolutions?: Choice[];
}

/** Texts and permissions of each operation. */
export const operationTexts: Record<
  Operation["act"],
  { verb: string; done: string; permission: Permission }
> = {
  merge: { verb: "Merge", done: "Merged", permission: "agent:workspace:merge" },
  sync: { verb: "Sync", done: "Synced", permission: "agent:workspace:write" },
  revert: { verb: "Revert", done: "Reverted", permission: "agent:workspace:merge" },
  restore: { verb: "Restore", done: "Restored", permission: "agent:workspace:merge" },
};

/** Returns the body of a preview request. */
export function previewRequest(
  operation: Operation,
  strategy: MergeStrategy | undefined,
  resolutions: Choice[] | undefined,
): PreviewRequest {
  return {
    ...operation,
    ...(strategy === undefined ? {} : { strategy }),
    ...(resolutions === undefined ? {} : { resolutions }),
  } as PreviewRequest;
}

/**
 * Runs the previewed operation. Manual decisions require both sides to be unchanged since the preview.
 * With a strategy the workspace may have moved, since its agent may be at work; only the other side
 * must be unchanged.
 * @param queue whether the target branch changes only through the merge queue
 */
export function runOperation(
  agentId: string,
  operation: Operation,
  { deciding, seen, queue }: { deciding: Deciding; seen: Preview; queue: boolean },
  headers: Record<string, string>,
): Promise<{ data: Merge | MergeRequest; status: number }> {
  const params = { agent_id: agentId };
  const queued = queue ? { queue: true as const } : {};
  const isByHand = deciding.resolutions !== undefined;
  const source = { expected_source: seen.source_commit };
  const target = { expected_target: seen.target_commit };
  const { strategy: _manual, ...byHand } = deciding;
  const decided = isByHand ? byHand : deciding;
  switch (operation.act) {
    case "merge": {
      const { act: _act, ...rest } = operation;
      const body = { ...rest, ...decided, ...target, ...(isByHand ? source : {}), ...queued };
      return client.workspaces.createMerge({ params, body }, { headers });
    }
    case "sync": {
      const body = { ...decided, ...source, ...(isByHand ? target : {}) };
      return client.workspaces.sync({ params, body }, { headers });
    }
    case "revert": {
      const body = { ...withoutNewestFileWins(decided), ...source, ...target, ...queued };
      const of = { ...params, merge_id: operation.merge_id };
      return client.workspaces.revertMerge({ params: of, body }, { headers });
    }
    case "restore": {
      const body = {
        paths: operation.paths,
        ...withoutNewestFileWins(decided),
        ...source,
        ...target,
        ...queued,
      };
      const of = { ...params, merge_id: operation.merge_id };
      return client.workspaces.restoreVersion({ params: of, body }, { headers });
    }
  }
}

/** Drops `newest_file_wins`, which does not apply to a revert or restore. */
function withoutNewestFileWins<D extends Partial<Deciding>>({ strategy, ...rest }: D) {
  return strategy === undefined || strategy === "newest_file_wins" ? rest : { strategy, ...rest };
}

/** Whether an operation was queued instead of done. */
export function isMergeRequest(result: Merge | MergeRequest): result is MergeRequest {
  return "required_approvals" in result;
}

/** Returns the outcome of an operation as a sentence. */
export function operationMessage(merge: Merge | MergeRequest): string {
  if (isMergeRequest(merge)) return `Queued for ${visible(merge.target_branch)}`;
  const { verb, done } = operationTexts[merge.kind];
  const target = visible(merge.target_branch);
  if (merge.status === "up_to_date") return `Nothing to ${verb.toLowerCase()} on ${target}`;
  const resolved =
    merge.total_conflicts === 0 ? "" : `, ${countOf(merge.total_conflicts, "conflict")} resolved`;
  switch (merge.kind) {
    case "merge":
      return `${done} into ${target}${resolved}`;
    case "sync":
      return `${done} from ${visible(merge.source_branch)}${resolved}`;
    case "revert":
    case "restore":
      return `${done} on ${target}${resolved}`;
  }
}
