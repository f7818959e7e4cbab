import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { ProjectMerge } from "#shared/api/code/merges.js";
import { mergeTitle } from "../../parts/merges/merge-title.js";
import { paths } from "../../../../paths/paths.js";
import { Badge } from "../../../../ui/feedback/badge.js";
import { PlainText, visible } from "../../../../ui/text/plain-text.js";

/** A merge's title as a link, its commit, and whether it was reverted. */
export function MergeLink({ merge }: { merge: ProjectMerge }): ReactElement {
  const title = mergeTitle(merge);
  return (
    <span className="flex flex-wrap items-baseline gap-x-2">
      <Link
        {...paths.merge(merge.agent_id, merge.id)}
        title={visible(title)}
        className="line-clamp-2 min-w-0 text-accent-ink hover:underline"
      >
        <PlainText value={title} />
      </Link>
      <code className="font-mono text-xs text-muted">{merge.merge_commit_sha?.slice(0, 8)}</code>
      {merge.reverted_by !== null && <Badge tone="warn">reverted</Badge>}
    </span>
  );
}
