import type { Merge } from "#shared/api/code/merges.js";
import { operationLabels } from "./resolution-labels.js";

type Titled = Pick<Merge, "kind" | "subject" | "source_branch" | "target_branch">;

/** The title of a merge: the first line of its message, or its branches. Agents write both. */
export function mergeTitle({ kind, subject, source_branch, target_branch }: Titled): string {
  return subject ?? `${operationLabels[kind]} of ${source_branch} into ${target_branch}`;
}

/** "Merge 1a2b3c4d5e6f": the operation by its commit. */
export function mergeName({
  kind,
  merge_commit_sha,
}: Pick<Merge, "kind" | "merge_commit_sha">): string {
  return `${operationLabels[kind]} ${merge_commit_sha?.slice(0, 12) ?? ""}`.trim();
}
