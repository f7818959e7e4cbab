import type { Merge } from "#shared/api/code/merges.js";
import type { AuditAction } from "#shared/organization/audit.js";
import type { AuditWriter } from "../../../../db/audit/audit.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import * as merges from "./merges.queries.js";
import type { MergeRow } from "./merges.queries.js";

/** Records that the target branch contains the merge commit, with its audit event. */
export async function recordMerge(
  tx: Queryable,
  audit: AuditWriter,
  merge: Pick<
    MergeRow,
    "id" | "org_id" | "project_id" | "agent_id" | "merge_commit" | "kind" | "of_merge"
  >,
): Promise<Merge> {
  const done = await merges.recordMerge(tx, merge);
  const told = {
    ...(done.kind === "revert" ? { reverted_by: done.id } : {}),
    status: done.status,
    merge_commit_sha: done.merge_commit_sha,
    conflicts: done.conflicts_resolved,
  };
  const name = `${done.source_branch} → ${done.target_branch}`;
  audit({
    action: actions[done.kind],
    target:
      done.kind === "sync"
        ? { type: "workspace", id: merge.agent_id, name: done.target_branch }
        : { type: "merge", id: done.of_merge ?? done.id, name },
    changes: Object.fromEntries(
      Object.entries(told).map(([field, value]) => [field, { from: null, to: value }]),
    ),
  });
  return done;
}

const actions = {
  merge: "merge.created",
  revert: "merge.reverted",
  restore: "merge.version_restored",
  sync: "workspace.synced",
} as const satisfies Record<Merge["kind"], AuditAction>;
