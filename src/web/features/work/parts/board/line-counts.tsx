import type { ReactElement } from "react";
import { formatNumber } from "../../../../ui/text/number.js";

interface LineCountsProps {
  /** Null while they are being counted. */
  additions: number | null;
  deletions: number | null;
}

/** "+12 −3" */
export function LineCounts({ additions, deletions }: LineCountsProps): ReactElement | null {
  if (additions === null || deletions === null) return null;
  return (
    <span className="whitespace-nowrap tabular-nums">
      <span className="text-good">
        <span className="sr-only">Lines added: </span>+{formatNumber(additions)}
      </span>{" "}
      <span className="text-bad">
        <span className="sr-only">Lines deleted: </span>−{formatNumber(deletions)}
      </span>
    </span>
  );
}
