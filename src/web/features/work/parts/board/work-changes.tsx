import type { ReactElement } from "react";
import type { AgentWork } from "#shared/api/work/overview.js";
import { countOf, formatNumber } from "../../../../ui/text/number.js";
import { LineCounts } from "./line-counts.js";

/** "2 commits +12 −3": what the base branch lacks. */
export function WorkChanges({ work }: { work: AgentWork }): ReactElement | null {
  const { base_branch, unmerged_commits: commits, additions, deletions } = work;
  if (base_branch === null) return null;
  if (commits === null) return <span className="text-muted">Counting…</span>;
  if (commits === 0) return <span className="text-muted">None</span>;
  return (
    <span className="inline-flex flex-wrap gap-x-2">
      <span className="whitespace-nowrap">{countOf(commits, "commit")}</span>
      <LineCounts additions={additions} deletions={deletions} />
    </span>
  );
}

export function WorkConflicts({ count }: { count: number }): ReactElement {
  return count === 0 ? (
    <span className="text-muted">0</span>
  ) : (
    <span className="font-medium text-warn">{formatNumber(count)}</span>
  );
}
