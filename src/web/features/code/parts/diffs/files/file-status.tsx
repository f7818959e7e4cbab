import type { ReactElement } from "react";
import type { DiffFile } from "#shared/api/code/commits.js";
import { Badge, type Tone } from "../../../../../ui/feedback/badge.js";
import { formatNumber } from "../../../../../ui/text/number.js";

const statuses: Record<DiffFile["status"], readonly [Tone, string]> = {
  added: ["good", "Added"],
  modified: ["neutral", "Modified"],
  deleted: ["bad", "Deleted"],
  renamed: ["accent", "Renamed"],
  type_changed: ["warn", "Type changed"],
};

/** A file's status as a word, or as its first letter in dense lists. */
export function FileStatus({
  status,
  isShort = false,
}: {
  status: DiffFile["status"];
  isShort?: boolean;
}): ReactElement {
  const [tone, text] = statuses[status];
  if (!isShort) return <Badge tone={tone}>{text}</Badge>;
  return (
    <span title={text}>
      <Badge tone={tone}>
        <span aria-hidden="true">{text.charAt(0)}</span>
        <span className="sr-only">{text}:</span>
      </Badge>
    </span>
  );
}

/** "+12 −3"; nothing if no line changed. */
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
