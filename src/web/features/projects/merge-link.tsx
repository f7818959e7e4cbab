import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { ProjectMerge } from "#shared/api/projects/merges.js";
import { operationLabels } from "../../components/merges/resolution-labels.js";
import { paths } from "../../paths/paths.js";
import { Badge } from "../../ui/feedback/badge.js";

/** "Merge 1a2b3c4d" as a link, and whether the merge was reverted. */
export function MergeLink({ merge }: { merge: ProjectMerge }): ReactElement {
  const sha = merge.merge_commit_sha?.slice(0, 8) ?? "";
  return (
    <span className="inline-flex flex-wrap items-center gap-2">
      <Link
        {...paths.merge(merge.agent_id, merge.id)}
        className="text-accent-ink hover:underline"
        aria-label={`${operationLabels[merge.kind]} ${sha}`}
      >
        {operationLabels[merge.kind]} <code className="font-mono text-[13px]">{sha}</code>
      </Link>
      {merge.reverted_by !== null && <Badge tone="warn">reverted</Badge>}
    </span>
  );
}
