import type { ReactElement } from "react";
import type { DiffFile } from "#shared/api/workspaces.js";
import { Badge, type Tone } from "../../ui/badge.js";
import { formatNumber } from "../../ui/number.js";

const statuses: Record<DiffFile["status"], readonly [Tone, string]> = {
  added: ["good", "Added"],
  modified: ["neutral", "Modified"],
  deleted: ["bad", "Deleted"],
  renamed: ["accent", "Renamed"],
  type_changed: ["warn", "Type changed"],
};

export function FileStatus({ status }: { status: DiffFile["status"] }): ReactElement {
  const [tone, text] = statuses[status];
  return <Badge tone={tone}>{text}</Badge>;
}

/** "+12 −3"; nothing where no line changed. */
export function LineCounts({
  additions,
  deletions,
}: {
  additions: number | null;
  deletions: number | null;
}): ReactElement | null {
  if (!additions && !deletions) return null;
  return (
    <span className="inline-flex gap-1.5 text-[13px] whitespace-nowrap tabular-nums">
      <span className="text-good">
        +{formatNumber(additions ?? 0)}
        <span className="sr-only"> lines added</span>
      </span>
      <span className="text-bad">
        −{formatNumber(deletions ?? 0)}
        <span className="sr-only"> lines removed</span>
      </span>
    </span>
  );
}
